// What every page has: element lookup, the theme switch.

const byId = (id) => document.getElementById(id);

/** Make an element; `children` are nodes or text, which is never read as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A value that is kept between visits where the browser allows it. */
const kept = {
  get(name) {
    try { return localStorage.getItem(`tam-video.${name}`); } catch { return null; }
  },
  set(name, value) {
    try { localStorage.setItem(`tam-video.${name}`, value); } catch { /* private or sandboxed */ }
  },
};

function setUpTheme(button) {
  const themes = ["auto", "light", "dark"];
  let theme = themes.includes(kept.get("theme")) ? kept.get("theme") : "auto";
  const show = () => {
    document.documentElement.dataset.theme = theme;
    if (button) button.textContent = `Theme: ${theme}`;
  };
  button?.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    kept.set("theme", theme);
    show();
  });
  show();
}
