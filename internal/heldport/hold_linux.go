package heldport

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// hold binds a socket that never listens. Linux lets others bind to its port when both sides say SO_REUSEADDR and neither listens, and passes
// over the port when it chooses one itself.
func hold() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	release = sync.OnceFunc(func() { _ = syscall.Close(fd) })
	err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	if err == nil {
		err = os.NewSyscallError("bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	var at syscall.Sockaddr
	if err == nil {
		at, err = syscall.Getsockname(fd)
		err = os.NewSyscallError("getsockname", err)
	}
	in4, ok := at.(*syscall.SockaddrInet4)
	if err == nil && !ok {
		err = fmt.Errorf("bound to %v", at)
	}
	if err != nil {
		release()
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", in4.Port), release, nil
}
