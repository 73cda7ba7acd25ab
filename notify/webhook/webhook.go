package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	timeout      = 10 * time.Second // of one attempt, from the name to the status
	maxDiscarded = 64 << 10         // bytes of an answer that are read, so that its connection can be used again
	userAgent    = "Muster-Webhook/1"
)

// ErrGone is the error of an endpoint that answered 410: it refuses further messages.
var ErrGone = errors.New("the endpoint answered 410 Gone")

// Sender posts notifications. It is safe for concurrent use.
type Sender struct {
	Guard  Guard
	client *http.Client
}

// New returns a Sender that refuses the addresses that guard does. It uses no proxy and follows no
// redirect, both of which would connect to addresses that were not checked.
func New(guard Guard) *Sender {
	dialer := &net.Dialer{Timeout: timeout, Control: guard.control}
	return &Sender{Guard: guard, client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: timeout,
			MaxIdleConns: 64, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Post makes one attempt to deliver a body under an id and returns the status of the answer, 0
// without one. Every status but 2xx is an error. Nothing else of the answer is returned: it could
// be the text of a service that the user who set the URL may not read.
func (s *Sender) Post(ctx context.Context, address, secret, id string, body []byte) (status int, err error) {
	if err := s.Guard.CheckURL(address); err != nil {
		return 0, err
	}
	now := time.Now()
	signature, err := Sign(secret, id, now, body)
	if err != nil {
		return 0, fmt.Errorf("sign: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set(IDHeader, id)
	r.Header.Set(TimestampHeader, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(SignatureHeader, signature)
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, short(err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxDiscarded) // a broken answer had its status
	switch {
	case answer.StatusCode == http.StatusGone:
		return answer.StatusCode, ErrGone
	case answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest:
		return answer.StatusCode, fmt.Errorf("the endpoint answered %d, a redirect, which is not followed: set the URL it leads to", answer.StatusCode)
	case answer.StatusCode < http.StatusOK || answer.StatusCode >= http.StatusMultipleChoices:
		return answer.StatusCode, fmt.Errorf("the endpoint answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return answer.StatusCode, nil
}

// short is an error without the method and the URL, which the user has.
func short(err error) error {
	var asked *url.Error
	if !errors.As(err, &asked) {
		return err
	}
	if asked.Timeout() {
		return fmt.Errorf("no answer within %s", timeout)
	}
	return asked.Err
}

// Close ends idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }
