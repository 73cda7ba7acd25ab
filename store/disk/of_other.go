//go:build !linux && !darwin && !freebsd

package disk

import "errors"

// Of would return the room on the file system of folder.
func Of(string) (Space, error) { return Space{}, errors.ErrUnsupported }
