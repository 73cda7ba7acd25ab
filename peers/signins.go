package peers

import "encoding/json"

// signIn is a failed one, in JSON.
type signIn struct {
	Address string `json:"a"`
	Email   string `json:"e"`
	Browser string `json:"b,omitempty"` // id of one that its owner signed in with
}

// maxEmail bounds what a stranger has sent on: longer ones belong to no account.
const maxEmail = 320

// FailedSignIn passes on that a sign-in failed here.
func (p *Peers) FailedSignIn(address, email, browser string) {
	p.Relay.Send(topicSignIns, func() []byte {
		text, _ := json.Marshal(signIn{address, email[:min(len(email), maxEmail)], browser}) // strings never fail
		return text
	})
}

func (p *Peers) signInFailed(data []byte) error {
	var s signIn
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	p.SignInFailed(s.Address, s.Email, s.Browser)
	return nil
}
