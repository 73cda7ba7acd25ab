// Package activity publishes what happens to devices. See Activity.
package activity
