/* Start everything; small keys and the choice of light or dark. */

const THEME = "benchbed-theme";

function remembered() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null; // a browser may refuse storage to a file
  }
}

function paintTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function startTheme() {
  paintTheme(remembered());
  byId("theme").addEventListener("click", () => {
    const dark = (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    paintTheme(dark ? "light" : "dark");
    try {
      localStorage.setItem(THEME, document.documentElement.dataset.theme);
    } catch {
      // then it lasts as long as the page
    }
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    byId("words").focus();
  }
  if (event.key === "Escape") tip.hidden = true;
  if (event.key === "Escape" && event.target === byId("words")) {
    byId("words").value = "";
    arrange();
  }
});

startTheme();
if (page.rows.length) startTable();
else byId("status").textContent = "No records.";
startPlots();
startCompare();
startGallery();
startClaims();
startProvenance();
document.documentElement.dataset.ready = "yes";
