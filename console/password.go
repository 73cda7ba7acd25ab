package console

import (
	"github.com/muster-iot/muster/fleet"
)

// accountPage shows the account that is signed in.
func (v accountPages) accountPage() error { return v.show("account", "Your account", nil) }

// changePassword revokes every other session and token of the account.
func (v accountPages) changePassword() error {
	wanted := v.r.PostFormValue("password")
	if wanted != v.r.PostFormValue("again") {
		return fleet.FieldErrorf("again", "enter the same new password twice")
	}
	err := v.accounts.ChangePassword(v.ctx(), v.actor, fleet.NewPassword{
		Old: v.r.PostFormValue("current_password"), New: wanted, Address: v.address(), Keep: v.secret,
	})
	return v.after(err, "/account", "Password changed. Your other sessions and tokens are revoked.")
}

// leaveTeam ends the user's membership in the team, and the session.
func (v accountPages) leaveTeam() error {
	if err := v.accounts.LeaveTeam(v.ctx(), v.actor); err != nil {
		return err
	}
	v.streams.End(v.secret)
	return v.redirect("/sign-in")
}
