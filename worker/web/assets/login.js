// A link such as /login#rw_… fills the token in; what follows the # never leaves the browser by itself.
const field = document.getElementById("token");

function take() {
  const given = location.hash.slice(1);
  if (!field || !given.startsWith("rw_")) return;
  history.replaceState(null, "", location.pathname + location.search);
  field.value = given;
  field.form.requestSubmit();
}

addEventListener("hashchange", take);
take();
