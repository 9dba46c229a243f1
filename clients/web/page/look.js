// Decides between dark and light before anything is drawn: what was chosen here, else the system's wish.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("tidegate.look"); } catch { /* storage is off */ }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.look = chosen;
})();
