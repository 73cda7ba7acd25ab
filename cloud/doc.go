// Package cloud composes one running server. New opens the store and the listeners, Run serves
// until its context ends. What connected devices do is in package session. A start that fails leaves
// nothing behind, and a shutdown ends within ten seconds.
package cloud
