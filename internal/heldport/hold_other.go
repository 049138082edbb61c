//go:build !linux

package heldport

import "errors"

func hold() (address string, release func(), err error) {
	return "", nil, errors.ErrUnsupported
}
