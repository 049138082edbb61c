// Buttons with data-passkey="login" or "enrol" use a passkey. They have data-csrf, the token of the page's forms, and data-next
// (login) or data-code (enrol). What went wrong is written into the element with the id in data-problem. Buttons that are hidden are
// shown where the browser knows passkeys.
(() => {
  "use strict";
  const known = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

  async function post(path, csrf, body) {
    const response = await fetch(path, {
      method: "POST", credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-Candor-CSRF": csrf },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.problem);
    return answer;
  }

  async function use(button) {
    const { passkey, csrf, next, code } = button.dataset;
    const begun = await post(`/${passkey}/passkey/begin`, csrf, passkey === "enrol" ? { code } : {});
    let credential;
    if (passkey === "enrol") {
      credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey) });
    } else {
      credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey) });
    }
    const query = next ? `?next=${encodeURIComponent(next)}` : "";
    const ended = await post(`/${passkey}/passkey/finish${query}`, csrf, credential.toJSON());
    location.assign(ended.next);
  }

  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = !known;
    button.addEventListener("click", async () => {
      const problem = document.getElementById(button.dataset.problem);
      button.disabled = true;
      try {
        await use(button);
      } catch (error) {
        // The browser's own words, when a person has cancelled, are of no use to them.
        problem.textContent = error.name === "NotAllowedError" ? "Nothing was confirmed. Please try again." : error.message;
        problem.hidden = false;
      }
      button.disabled = false;
    });
  }
})();
