// Package webhook posts notifications to URLs that users choose, signed as the Standard Webhooks
// specification says (https://www.standardwebhooks.com, version 1). It hides how requests are signed
// and which addresses are refused.
package webhook
