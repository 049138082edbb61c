package people

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Errors that a Store answers with. Any other error is the store's own trouble: the caller may try again.
var (
	// ErrNotFound: there is no such user, session or token, or it is over.
	ErrNotFound = errors.New("people: there is none")
	// ErrExists: the name is taken, or was.
	ErrExists = errors.New("people: the name is taken")
	// ErrFull: there are too many that aren't over.
	ErrFull = errors.New("people: there are too many")
	// ErrLastAdmin: the change would leave no user who may administer.
	ErrLastAdmin = errors.New("people: it would leave nobody who may administer")
	// ErrLastCredential: the user could not log in any more.
	ErrLastCredential = errors.New("people: it is the only thing that the user can log in by")
)

// Store keeps local users with what they log in by, everybody's sessions, and tokens.
//
// Every method is atomic, and durable when it returns nil; on an error nothing has changed. Methods are safe for concurrent use by
// many goroutines and, where the store is shared, by many gateways. Those with a By write an AdminRecord into the decision log, in the
// same transaction as the change: with the verb named here, By's name, reason and address, and the subject users/NAME or
// sessions/USER; never a secret. A change of nothing writes none. Secrets are known to the store as a [Sum] only, passwords as an
// argon2id hash. Moments are by the store's clock, in whole microseconds.
type Store interface {
	// Now is the store's clock, which never goes back.
	Now() time.Time

	// CreateUser makes a user with a name that no user ever had, and their enrolment code. The store sets Created; credentials in u are
	// ignored. Record: user.create. Errors: ErrExists.
	CreateUser(ctx context.Context, u User, code Code, by By) error
	// UpdateUser sets roles, queues and disabled. Where a role or a queue was taken away, or the user disabled, their sessions end;
	// when disabled, their tokens and their code too. Record: user.update, user.disable or user.enable. Errors: ErrNotFound, ErrLastAdmin.
	UpdateUser(ctx context.Context, c Change, by By) (User, error)
	// ResetUser takes away password, passkeys, tokens and sessions, and gives another enrolment code; the one before stops working.
	// Record: user.reset. Errors: ErrNotFound.
	ResetUser(ctx context.Context, name string, code Code, by By) error
	// User answers one by their name. Errors: ErrNotFound.
	User(ctx context.Context, name string) (User, error)
	// UserByHandle answers one by the handle that passkeys hold. Errors: ErrNotFound.
	UserByHandle(ctx context.Context, handle []byte) (User, error)
	// UserByCode answers whose code it is; it must not have expired, nor its user be disabled. Errors: ErrNotFound.
	UserByCode(ctx context.Context, code Sum) (User, error)
	// Users answers all, by name.
	Users(ctx context.Context) ([]User, error)

	// Enrol uses a code up: in the same transaction the user gets the credential. A password replaces the one before, a passkey
	// stands beside the others. Record: user.enrol. Errors: as UserByCode.
	Enrol(ctx context.Context, code Sum, c Credential, by By) (User, error)
	// Rehash replaces a password's hash by another one of the same password, if it is still old. It writes no record.
	Rehash(ctx context.Context, name, old, hash string) error
	// UsePasskey stores what a login changed in a passkey. It writes no record. Errors: ErrNotFound.
	UsePasskey(ctx context.Context, name string, k Passkey) error
	// SetPassword replaces the hash of a user's password, if it is still old, and ends the user's sessions but keep, which it counts.
	// Neither hash is empty. Record: user.password. Errors: ErrNotFound, also of a user who is disabled or has another password.
	SetPassword(ctx context.Context, name, old, hash, keep string, by By) (ended int64, err error)
	// AddPassword gives a user who has none a password's hash, and ends the user's sessions but the one that asks, which it counts. The
	// hash isn't empty. Record: user.add_password. Errors: ErrNotFound, also of a user who is disabled or has a password, or where the
	// session isn't one of theirs any more: a reset that came between must stand.
	AddPassword(ctx context.Context, name, hash, session string, by By) (ended int64, err error)
	// AddPasskey gives a user who isn't disabled one more passkey, which one of their sessions asks for. Record: user.add_passkey.
	// Errors: ErrNotFound, also where the session has ended, as for AddPassword; ErrExists: somebody has it.
	AddPasskey(ctx context.Context, name string, k Passkey, session string, by By) error
	// RemovePasskey takes one from a user who isn't disabled, and ends the user's sessions but keep, which it counts: the device may be
	// lost. Record: user.remove_passkey. Errors: ErrNotFound, ErrLastCredential.
	RemovePasskey(ctx context.Context, name string, id []byte, keep string, by By) (ended int64, err error)

	// BeginSession stores a session, whose Created and LastUse the store sets, and the user's last login; sessions that are over
	// are removed on the way. Record: session.begin.
	BeginSession(ctx context.Context, s Session, by By) error
	// Session answers the session of a key, or of the key before within its grace. It must not be over: neither idle nor expired, and,
	// of a local user, the user not disabled; of anybody else, no user may have the name. Roles and queues are those that a local user
	// has now. Errors: ErrNotFound.
	Session(ctx context.Context, key Sum) (Session, error)
	// TouchSession stores a use, and until when the session may now be idle. It writes no record. Errors: ErrNotFound.
	TouchSession(ctx context.Context, id string, idleUntil time.Time) error
	// RotateSession gives a session another key, if from is still its key: that is honoured until grace. The session remembers the
	// roles and queues that it has now as Before. Record: session.rotate. Errors: ErrNotFound, also when from isn't its key.
	RotateSession(ctx context.Context, id string, from, to Sum, grace time.Time, by By) error
	// EndSession ends one. Record: session.end. Errors: ErrNotFound.
	EndSession(ctx context.Context, id string, by By) error
	// EndSessions ends all sessions of a person, and their tokens where that is asked for, and counts them. Record: session.end_all.
	EndSessions(ctx context.Context, user string, tokens bool, by By) (sessions, ended int64, err error)
	// Sessions answers those that aren't over, newest first; user empty: everybody's.
	Sessions(ctx context.Context, user string) ([]Session, error)

	// CreateToken stores a token of a user who isn't disabled; the store sets Created. Record: token.create. Errors: ErrNotFound.
	CreateToken(ctx context.Context, user string, t Token, secret Sum, by By) error
	// RevokeToken ends one. Record: token.revoke. Errors: ErrNotFound.
	RevokeToken(ctx context.Context, user, id string, by By) error
	// Token answers whose token it is, and the token. It must not have expired, nor its user be disabled. Errors: ErrNotFound.
	Token(ctx context.Context, secret Sum) (Person, Token, error)
	// TouchToken stores a use. It writes no record.
	TouchToken(ctx context.Context, id string) error

	// Where a method has now, it is the store's clock, read by the caller.

	// Try counts a try before its outcome is known, so that tries at the same time can't pass together, and says whether it may be made:
	// at most most of them in a window of a length, which begins with the first. It writes no record. Where too many keys are counted,
	// the windows that end first are forgotten.
	Try(ctx context.Context, key Sum, now time.Time, most int, window time.Duration) (bool, error)
	// GiveBackTry takes a try back that was none: it succeeded. It writes no record.
	GiveBackTry(ctx context.Context, key Sum) error

	// KeepChallenge stores data that belongs to a challenge until a moment. It writes no record. Errors: ErrFull, where MostChallenges
	// are kept that aren't over.
	KeepChallenge(ctx context.Context, challenge Sum, data []byte, now, expire time.Time) error
	// TakeChallenge answers its data, once. It writes no record. Errors: ErrNotFound, also when it is over.
	TakeChallenge(ctx context.Context, challenge Sum, now time.Time) ([]byte, error)

	// Note writes an AdminRecord about something that changed nothing here, such as a login that was refused.
	Note(ctx context.Context, verb, subject string, by By) error
}

// Bounds on what strangers can make a store keep.
const (
	// MostTries is how many keys are counted; beyond it half of them are forgotten.
	MostTries = 20_000
	// MostChallenges that aren't over.
	MostChallenges = 10_000
)

// By says who changes something.
type By struct {
	// Name of a person, or "gateway".
	Name string
	// Reason; may be empty.
	Reason string
	// Remote is the IP address that it came from; empty: from inside.
	Remote string
}

// User is somebody whom the store knows.
type User struct {
	Name  string
	Roles []candorv1.Role
	// Queues that they may work on; nil: all.
	Queues   []string
	Disabled bool
	// Handle is the random name by which passkeys know the user.
	Handle []byte
	// Password is an argon2id hash in PHC form; empty: none. Not for showing.
	Password  string
	Passkeys  []Passkey
	Tokens    []Token
	Created   time.Time
	LastLogin time.Time
}

// Person is the user who logged in by a method.
func (u User) Person(method string) Person {
	return Person{Name: u.Name, Roles: u.Roles, Queues: u.Queues, Method: method}
}

// Change is an update of a user. Roles, queues and disabled are taken as they stand.
type Change struct {
	Name     string
	Roles    []candorv1.Role
	Queues   []string
	Disabled bool
	// KeepAdmin: nobody but users of the store may administer, so that one who isn't disabled must keep the role.
	KeepAdmin bool
}

// Code is an enrolment code.
type Code struct {
	Sum    Sum
	Expire time.Time
}

// Credential is a password's hash or a passkey.
type Credential struct {
	Password string
	Passkey  *Passkey
}

// Passkey is a WebAuthn credential. It holds no secret: the private key is on the user's device.
type Passkey struct {
	ID []byte
	// Data is the credential record as JSON.
	Data []byte
}

// Token is a bearer token, without its secret.
type Token struct {
	ID          string
	Description string
	Created     time.Time
	Expire      time.Time
	LastUse     time.Time
}

// Session is a browser in which somebody has logged in.
type Session struct {
	// ID names it for people; it opens nothing.
	ID string
	// Key is what its cookie must hash to, Forgery what its forms' token must. Set by whoever begins it; not answered in lists.
	Key, Forgery Sum
	// Person is who logged in, with the roles and queues of now.
	Person Person
	// Local: a user of the store. Others have the roles and queues that their provider's groups gave them at the login.
	Local bool
	// Before are the roles and queues that the session had when it got its key.
	Before  Person
	Created time.Time
	LastUse time.Time
	// KeySince is when it got its key.
	KeySince time.Time
	// IdleUntil is when it ends without a request, Expire when it ends in any case.
	IdleUntil time.Time
	Expire    time.Time
	Remote    string
	UserAgent string
}
