package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// Gate knows who asks: *people.Gate.
type Gate interface {
	// Handler lets a request through to next when it has a person, and, where it changes something, the token of CSRF. Everything
	// else it answers itself.
	Handler(next http.Handler) http.Handler
	// Person of a request that Handler let through.
	Person(r *http.Request) (people.Person, people.Session, bool)
	// CSRF answers the token that the session's forms and scripts carry.
	CSRF(r *http.Request) string
	// Anonymous: nobody proves anything, and every page says so.
	Anonymous() bool
}

// Deps are what the pages stand on.
type Deps struct {
	// Conn reaches the gateway's services.
	Conn grpc.ClientConnInterface
	// As makes calls on Conn those of a person, who came from an IP address.
	As func(ctx context.Context, p people.Person, remote string) context.Context
	// Moved answers a channel that is closed when something that pages show has changed. It is asked again after each change.
	Moved func() <-chan struct{}
	// Log gets what failed; nil: nobody does.
	Log *slog.Logger
	// Panicked is called once for each page that panicked, which the log has; nil: nobody is told.
	Panicked func()
}

// Server is the pages. It shows what a gate has to say, too: it is a people.Pages. Safe for use by many at once.
type Server struct {
	deps      Deps
	gate      Gate
	review    candorv1.ReviewServiceClient
	ops       operations
	templates *templates
	assets    *assets
	streams   *streams
	// decoding has a place for each picture that is being decoded.
	decoding chan struct{}
}

// callTimeout bounds what one page waits for the services.
const callTimeout = 15 * time.Second

// New makes the pages; Behind serves them. They own nothing but their event streams, which Close ends.
func New(d Deps) (*Server, error) {
	if d.Conn == nil || d.As == nil || d.Moved == nil {
		return nil, errors.New("web: Deps needs Conn, As and Moved")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	a, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	t, err := loadTemplates(a)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return &Server{
		deps: d, review: candorv1.NewReviewServiceClient(d.Conn), ops: operationsOf(d.Conn), templates: t, assets: a, streams: newStreams(),
		decoding: make(chan struct{}, decodersAtOnce),
	}, nil
}

// Close ends the event streams; a browser opens its own again later.
func (s *Server) Close() { s.streams.close() }

// OpenPaths begin the addresses that need no login: what the login's own page loads.
func OpenPaths() []string { return []string{"/static/"} }

// Behind answers the pages behind a gate, which leaves OpenPaths open. It is called once.
func (s *Server) Behind(gate Gate) http.Handler {
	s.gate = gate
	pages := http.NewServeMux()
	pages.Handle("GET /{$}", http.RedirectHandler("/work", http.StatusSeeOther))
	pages.Handle("GET /queue", s.page(s.queues))
	pages.Handle("GET /work", s.page(s.work))
	pages.Handle("GET /items", s.page(s.items))
	pages.Handle("GET /items/{id}", s.page(s.item))
	pages.Handle("GET /items/{id}/image/{tensor}/{n}", s.page(s.imageOf))
	pages.Handle("GET /items/{id}/file/{tensor}/{n}", s.page(s.fileOf))
	pages.Handle("POST /claim", s.page(s.claimNext))
	for verb, act := range map[string]handler{
		"claim": s.claimThis, "resolve": s.resolve, "revise": s.revise, "undo": s.undo, "skip": s.skip, "escalate": s.escalate,
		"release": s.release, "renew": s.renew, verbSupersede: s.supersede, verbGolden: s.makeGolden, verbRemove: s.removePayload,
		verbCount: s.countItem,
	} {
		pages.Handle("POST /items/{id}/"+verb, s.page(act))
	}
	pages.Handle("GET /appeal", s.page(forSeniors(s.appealForm)))
	pages.Handle("POST /appeal", s.page(forSeniors(s.appeal)))
	pages.Handle("GET /golden", s.page(forSeniors(s.goldens)))
	pages.Handle("POST /golden/{id}/remove", s.page(forSeniors(s.dropGolden)))
	s.handleOps(pages)
	pages.Handle("POST /settings", s.page(s.saveSettings))
	pages.Handle("GET /events", s.page(s.events))
	pages.Handle("/", s.page(func(http.ResponseWriter, *http.Request, *visit) error { return errNoPage }))

	pages.Handle("GET /static/", s.assets)
	return withHeaders(gate.Handler(pages))
}

// handler answers a request. An error that it returns becomes a page, unless it has begun to answer.
type handler func(w http.ResponseWriter, r *http.Request, v *visit) error

// page makes an http.Handler of a handler: it finds out who asks, bounds the time, and turns errors and panics into pages.
func (s *Server) page(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := s.visitOf(r)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				if s.deps.Panicked != nil {
					s.deps.Panicked()
				}
				s.deps.Log.ErrorContext(r.Context(), "a page panicked", slog.String("path", r.URL.Path), slog.Any("panic", p),
					slog.String("stack", string(debug.Stack())))
				s.renderProblem(w, r, v, problemInside)
			}
		}()
		const maxForm = 1 << 20 // a note has at most 4 KiB
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := h(w, r, v); err != nil {
			s.renderProblem(w, r, v, s.problemOf(r, err))
		}
	})
}

// call is a context for the services, on behalf of who asks.
func (s *Server) call(r *http.Request, v *visit) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	return s.deps.As(ctx, v.Person, people.RemoteOf(r)), cancel
}
