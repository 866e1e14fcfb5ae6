# Makes .venv and installs the pinned packages where they are missing. Sourced by the other scripts.
# PYTHON=python3.12 scripts/test  uses another interpreter.

stamp=.venv/.installed-for
wanted=$(cat pyproject.toml constraints.txt | sha256sum)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
  echo "setting up .venv (once; some minutes)" >&2
  python=${PYTHON:-$(command -v python3.11 || command -v python3)}
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --upgrade pip >&2
  # the frameworks first, by themselves: their wheels are the ones the constraints name
  .venv/bin/python -m pip install --quiet -c constraints.txt torch torchvision >&2
  .venv/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]' >&2
  echo "$wanted" > "$stamp"
fi
export HF_HUB_OFFLINE="${HF_HUB_OFFLINE:-1}"
