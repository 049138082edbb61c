// Buttons with data-passkey="login", "enrol" or "account" use a passkey. They have data-csrf, the token of the page's forms, and data-next
// (login), data-code (enrol), or data-label (account), the id of a field with the new passkey's name. What went wrong is written into the element with the id in data-problem. Buttons that are hidden are
// shown where the browser knows passkeys.
(() => {
  "use strict";
  const known = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

  const words = {
    NotAllowedError: "Nothing was confirmed. Please try again.",
    InvalidStateError: "This device has a passkey of yours already.",
  };

  async function post(path, csrf, body) {
    const response = await fetch(path, {
      method: "POST", credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-Candor-CSRF": csrf },
      body: JSON.stringify(body),
    });
    // Whoever is logged out meanwhile gets no JSON.
    const answer = await response.json().catch(() => ({ problem: "You are logged out. Log in again." }));
    if (!response.ok) throw new Error(answer.problem);
    return answer;
  }

  async function use(button) {
    const { passkey, csrf, next, code, label } = button.dataset;
    const begun = await post(`/${passkey}/passkey/begin`, csrf, passkey === "enrol" ? { code } : {});
    let credential;
    if (passkey !== "login") {
      credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey) });
    } else {
      credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey) });
    }
    const query = new URLSearchParams();
    if (next) query.set("next", next);
    if (label) query.set("label", document.getElementById(label).value);
    const ended = await post(`/${passkey}/passkey/finish?${query}`, csrf, credential.toJSON());
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
        problem.textContent = words[error.name] || error.message;
        problem.hidden = false;
      }
      button.disabled = false;
    });
  }
})();
