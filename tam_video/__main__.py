"""Run the command line with `python -m tam_video`."""

from tam_video.cli import main

if __name__ == "__main__":
    main()
