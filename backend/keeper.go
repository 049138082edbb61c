package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

const (
	// soon is when a replica that isn't ready, or has not answered, is asked again.
	soon = 500 * time.Millisecond
	// silentTwice: so many probes in a row without an answer take a replica out. One may be lost in a moment of load.
	silentTwice = 2
)

// saying is what a replica said when it was asked whether the model is ready; why, where it isn't.
type saying struct {
	ready readiness
	why   string
}

// warm connects before the first call, and keeps a connection.
func (f *fleet) warm() {
	if f.only == nil {
		f.watch()
		return
	}
	f.lasting("keeping the connection", f.keepLink)
}

// keepLink connects whenever there is no connection.
func (f *fleet) keepLink() {
	for state := f.only[0].GetState(); state != connectivity.Shutdown; state = f.only[0].GetState() {
		if state == connectivity.Idle {
			f.only[0].Connect()
		}
		if !f.only[0].WaitForStateChange(f.life, state) {
			return
		}
	}
}

// watch begins to watch all replicas. After the first time it does nothing.
func (f *fleet) watch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watched || f.closed {
		return
	}
	f.watched = true
	for _, r := range f.all {
		f.keep(r)
	}
	if f.lookup != nil {
		f.lasting("looking the name up", f.resolve)
	}
	f.renew()
}

// keep needs mu, and watches a replica until its life ends.
func (f *fleet) keep(r *replica) {
	if len(r.conns) > 0 {
		f.lasting("watching a replica's connection", func() { f.watchLink(r) })
	}
	f.lasting("asking a replica", func() { f.keepAsking(r) })
}

// keepAsking asks a replica whether it is ready until its life ends.
func (f *fleet) keepAsking(r *replica) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.life.Done():
			return
		case <-timer.C:
		case <-r.poke:
		}
		timer.Reset(f.probe(r))
	}
}

// watchLink keeps a replica's first connection up, and tells when it is.
func (f *fleet) watchLink(r *replica) {
	first := r.conns[0].ClientConn
	for {
		state := first.GetState()
		switch state {
		case connectivity.Ready:
			f.linked(r, linkUp)
		case connectivity.TransientFailure:
			f.linked(r, linkDown)
		case connectivity.Idle:
			f.unlinked(r)
			first.Connect()
		case connectivity.Connecting:
			f.unlinked(r)
		case connectivity.Shutdown:
			return
		}
		if !first.WaitForStateChange(r.life, state) {
			return
		}
	}
}

// unlinked notes that there is no connection at this moment. One that has never been there may come any moment.
func (f *fleet) unlinked(r *replica) {
	f.mu.Lock()
	was := r.link
	f.mu.Unlock()
	if was == linkUp {
		f.linked(r, linkDown)
	}
}

// linked notes that a replica's connection is up or down. A new connection may lead to a new process: what was known of the old
// one's readiness is forgotten, and so is its first ejection.
func (f *fleet) linked(r *replica, l link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.link == l || f.closed || r.gone.Load() {
		return
	}
	r.link, r.ready, r.silent, r.unready = l, readyUnknown, 0, ""
	f.renew()
	if l == linkDown {
		f.log.Warn("replica is not reachable", "replica", r.address)
		f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_UNREACHABLE, r.address, "")
		signal(f.look)
		return
	}
	if r.ejected && r.times == 1 {
		r.until = time.Now()
	}
	for _, c := range r.conns {
		c.ResetConnectBackoff()
	}
	signal(r.poke)
}

// probe asks a replica whether it is ready, where it can be asked, draws the consequences, and answers when to look again.
func (f *fleet) probe(r *replica) time.Duration {
	f.mu.Lock()
	up := r.link == linkUp
	f.mu.Unlock()
	if up {
		ctx, cancel := context.WithTimeout(r.life, probeTimeout)
		said := f.ask(ctx, r)
		cancel()
		f.answered(r, said)
	}
	return f.next(r)
}

// answered notes what a replica said, and lets one in again whose time is up and that is ready.
func (f *fleet) answered(r *replica, said saying) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.link != linkUp || r.life.Err() != nil {
		return
	}
	before := r.present()
	switch said.ready {
	case readySilent:
		if r.silent++; r.ready != readyYes || r.silent >= silentTwice {
			r.ready, r.unready = readySilent, said.why
		}
	default:
		r.silent, r.ready, r.unready = 0, said.ready, said.why
	}
	if after := r.present(); after != before {
		if after {
			f.log.Info("replica is ready", "replica", r.address)
			f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_READY, r.address, "")
		} else {
			f.log.Warn("replica is not ready", "replica", r.address, "why", r.unready)
			f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_NOT_READY, r.address, r.unready)
		}
		f.renew()
	}
	if now := time.Now(); r.ejected && r.ready == readyYes && r.silent == 0 && !now.Before(r.until) {
		f.readmit(r, now)
	}
}

// next is when to look at a replica again.
func (f *fleet) next(r *replica) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	wait := f.set.probeEvery
	if r.ready != readyYes || r.silent > 0 {
		wait = min(wait, soon)
	}
	if r.ejected {
		if left := time.Until(r.until); left > 0 {
			wait = min(wait, left)
		}
	}
	return wait
}

// askReady asks by ModelReady. A server that doesn't know the question, or doesn't let us ask it, can't be taken out by it.
func (b *Backend) askReady(ctx context.Context, r *replica) saying {
	out := new(inference.ModelReadyResponse)
	err := r.conns.unary(ctx, b.Speech().method("ModelReady"), &inference.ModelReadyRequest{Name: b.set.model, Version: b.set.version}, out)
	switch code := status.Code(err); {
	case err == nil && out.GetReady():
		return saying{ready: readyYes}
	case err == nil:
		return saying{readyNo, "ModelReady says no"}
	case code == codes.Unimplemented, code == codes.Unauthenticated, code == codes.PermissionDenied:
		return saying{ready: readyYes}
	case errors.Is(ctx.Err(), context.DeadlineExceeded), code == codes.DeadlineExceeded, code == codes.Unavailable, code == codes.Canceled:
		return saying{readySilent, fmt.Sprintf("ModelReady was not answered within %v", probeTimeout)}
	default:
		return saying{readyNo, sanitize("ModelReady: "+status.Convert(err).Message(), b.set.host)}
	}
}
