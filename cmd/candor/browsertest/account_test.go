package browsertest

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// authenticator gives the browser a device that makes passkeys and confirms them without asking.
func (b *browser) authenticator() {
	b.w.Helper()
	b.do(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true,
			HasUserVerification: true, AutomaticPresenceSimulation: true, IsUserVerified: true,
		}).Do(ctx)
		return err
	}))
}

// TestAccount changes a password, and adds a passkey, logs in by it and removes it.
func TestAccount(t *testing.T) {
	w := everything(t)
	b, elsewhere := w.browser(), w.browser()
	b.refusals = true // of a wrong old password, and of the second passkey
	b.authenticator()
	b.logIn("ann", w.user("ann"))
	elsewhere.refusals = true // of a session that has ended
	elsewhere.open("/work")
	elsewhere.await(`location.pathname === "/login" && document.activeElement.id === "name"`)
	elsewhere.keys("ann\t" + password + "\r")
	elsewhere.await(loaded("/work"))

	b.open("/account")
	b.says("You have none.")
	b.fill("/account/password", map[string]string{"old": "not the old passphrase", "password": "quite another passphrase", "again": "quite another passphrase"})
	b.send("/account/password")
	b.says("The old password is not right.")
	b.fill("/account/password", map[string]string{"old": password, "password": "quite another passphrase", "again": "quite another passphrase"})
	b.send("/account/password")
	b.says("The password is changed.")
	elsewhere.open("/queue")
	elsewhere.await(loaded("/login"))

	b.do(chromedp.SendKeys("#label", "my telephone", chromedp.ByQuery), chromedp.Click(`[data-passkey="account"]`, chromedp.ByQuery))
	b.says("The passkey is added.")
	b.says("my telephone")
	b.accessible("account-passkey")
	b.do(chromedp.Click(`[data-passkey="account"]`, chromedp.ByQuery))
	b.says("This device has a passkey of yours already.")

	b.open("/account")
	b.do(chromedp.Click(`main form[action="/logout"] button`, chromedp.ByQuery))
	b.await(loaded("/login"))
	b.do(chromedp.Click(`[data-passkey="login"]`, chromedp.ByQuery))
	b.await(loaded("/work"))
	b.open("/account")
	b.says("my telephone")
	b.says("by passkey since")
	b.send("/account/passkey/remove")
	b.says("The passkey is removed.")
	b.says("You have none.")
}

// TestAddPassword has somebody who enrolled by a passkey add a password, log in by it, and remove the passkey.
func TestAddPassword(t *testing.T) {
	w := everything(t)
	b := w.browser()
	b.refusals = true // of two passwords that differ
	b.authenticator()
	b.open("/enrol")
	b.keys(w.user("ann") + "\r")
	b.await(`document.querySelector("#again") !== null && ` + settled)
	b.do(chromedp.Click(`[data-passkey="enrol"]`, chromedp.ByQuery))
	b.await(loaded("/login"))
	b.do(chromedp.Click(`[data-passkey="login"]`, chromedp.ByQuery))
	b.await(loaded("/work"))
	b.open("/account")
	b.says("the only thing that you can log in by")
	b.accessible("account-no-password")
	b.fill("/account/password/add", map[string]string{"password": password, "again": password + "!"})
	b.send("/account/password/add")
	b.says("The two passwords are not the same.")
	b.fill("/account/password/add", map[string]string{"password": password, "again": password})
	b.send("/account/password/add")
	b.says("The password is added.")
	b.says("Old password")
	b.accessible("account-password-added")

	b.do(chromedp.Click(`main form[action="/logout"] button`, chromedp.ByQuery))
	b.await(loaded("/login"))
	b.do(chromedp.Focus("#name", chromedp.ByQuery))
	b.keys("ann\t" + password + "\r")
	b.await(loaded("/work"))
	b.open("/account")
	b.says("by password since")
	b.send("/account/passkey/remove")
	b.says("The passkey is removed.")
	users, err := w.people.ListUsers(w.as(rootToken), &candorv1.ListUsersRequest{})
	if err != nil || len(users.GetUsers()) != 1 || !users.GetUsers()[0].GetHasPassword() || users.GetUsers()[0].GetPasskeys() != 0 {
		t.Errorf("users list says %v, %v", users, err)
	}
}
