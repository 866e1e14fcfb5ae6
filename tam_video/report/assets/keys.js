// Single keys. They can be switched off, and never take a key from a field that wants it.

function setUpKeys(actions) {
  const box = byId("shortcuts");
  if (box) {
    box.checked = kept.get("shortcuts") !== "off";
    box.addEventListener("change", () => kept.set("shortcuts", box.checked ? "on" : "off"));
  }
  const wants = (target, key) => {
    if (target.closest("input, textarea, dialog")) return true;
    if (target.closest("select, summary, button, a")) return key === " " || (key.startsWith("Arrow") && Boolean(target.closest("select, [role=tab]")));
    return false;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if ((box && !box.checked) || wants(event.target, event.key)) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
