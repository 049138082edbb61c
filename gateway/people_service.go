package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

type peopleService struct {
	candorv1.UnimplementedPeopleServiceServer
	g *Gateway
}

const (
	// codeLifetime is how long an enrolment code may wait for its user.
	codeLifetime = 72 * time.Hour
	// tokenLifetime is that of a token whose maker names none.
	tokenLifetime = 90 * 24 * time.Hour
)

func (s *peopleService) WhoAmI(ctx context.Context, _ *candorv1.WhoAmIRequest) (*candorv1.WhoAmIResponse, error) {
	p := principal(ctx)
	out := &candorv1.WhoAmIResponse{Name: p.Name, Roles: p.roles, Models: p.models}
	if p.has(candorv1.Role_ROLE_REVIEWER) {
		out.Queues = s.g.queuesOf(p)
	}
	return out, nil
}

// admin answers the administrator who calls, where there are people to administer.
func (s *peopleService) admin(ctx context.Context, in proto.Message, method string) (*Principal, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_ADMIN)
	if err != nil {
		return nil, err
	}
	if s.g.users == nil || s.g.plan().cfg.GetPeople() == nil {
		return nil, notOffered(method, "the configuration has no people")
	}
	return p, nil
}

func (s *peopleService) ListUsers(ctx context.Context, in *candorv1.ListUsersRequest) (*candorv1.ListUsersResponse, error) {
	if _, err := s.admin(ctx, in, candorv1.PeopleService_ListUsers_FullMethodName); err != nil {
		return nil, err
	}
	all, err := s.g.users.Users(ctx)
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListUsersResponse{}
	for i := range all {
		out.Users = append(out.Users, userProto(&all[i]))
	}
	return out, nil
}

func (s *peopleService) CreateUser(ctx context.Context, in *candorv1.CreateUserRequest) (*candorv1.CreateUserResponse, error) {
	p, err := s.admin(ctx, in, candorv1.PeopleService_CreateUser_FullMethodName)
	if err != nil {
		return nil, err
	}
	u := in.GetUser()
	if err := s.rights(u); err != nil {
		return nil, err
	}
	if !people.ValidName(u.GetName()) {
		return nil, invalid("user.name", "it stands in records for what no person did; take another")
	}
	exists := errf(codes.AlreadyExists, candorv1.ErrorReason_ERROR_REASON_USER_EXISTS,
		"there is, or was, somebody with the name %q; a name is never given twice, because records name people", u.GetName()).with("user", u.GetName())
	if s.g.plan().cfg.GetConsumers()[u.GetName()] != nil || s.g.plan().cfg.GetOperators()[u.GetName()] != nil {
		return nil, exists
	}
	code, fresh := s.code()
	err = s.g.users.CreateUser(ctx, people.User{
		Name: u.GetName(), Roles: u.GetRoles(), Queues: queuesOrAll(u), Disabled: u.GetDisabled(), Handle: people.NewHandle(),
	}, fresh, by(ctx, p))
	if errors.Is(err, people.ErrExists) {
		return nil, exists
	}
	if err != nil {
		return nil, err
	}
	made, err := s.g.users.User(ctx, u.GetName())
	if err != nil {
		return nil, err
	}
	return &candorv1.CreateUserResponse{User: userProto(&made), EnrolmentCode: code, CodeExpireTime: timestamppb.New(fresh.Expire)}, nil
}

func (s *peopleService) UpdateUser(ctx context.Context, in *candorv1.UpdateUserRequest) (*candorv1.UpdateUserResponse, error) {
	p, err := s.admin(ctx, in, candorv1.PeopleService_UpdateUser_FullMethodName)
	if err != nil {
		return nil, err
	}
	u := in.GetUser()
	if err := s.rights(u); err != nil {
		return nil, err
	}
	after, err := s.g.users.UpdateUser(ctx, people.Change{
		Name: u.GetName(), Roles: u.GetRoles(), Queues: queuesOrAll(u), Disabled: u.GetDisabled(), KeepAdmin: !othersAdminister(s.g.plan().cfg),
	}, by(ctx, p))
	if errors.Is(err, people.ErrLastAdmin) {
		return nil, errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_LAST_ADMIN,
			"%q is the last who may administer; give somebody else the role admin first", u.GetName()).with("user", u.GetName())
	}
	if err != nil {
		return nil, noUser(err, u.GetName())
	}
	return &candorv1.UpdateUserResponse{User: userProto(&after)}, nil
}

func (s *peopleService) ResetUser(ctx context.Context, in *candorv1.ResetUserRequest) (*candorv1.ResetUserResponse, error) {
	p, err := s.admin(ctx, in, candorv1.PeopleService_ResetUser_FullMethodName)
	if err != nil {
		return nil, err
	}
	code, fresh := s.code()
	if err := s.g.users.ResetUser(ctx, in.GetName(), fresh, by(ctx, p)); err != nil {
		return nil, noUser(err, in.GetName())
	}
	return &candorv1.ResetUserResponse{EnrolmentCode: code, CodeExpireTime: timestamppb.New(fresh.Expire)}, nil
}

func (s *peopleService) CreateUserToken(ctx context.Context, in *candorv1.CreateUserTokenRequest) (*candorv1.CreateUserTokenResponse, error) {
	p, err := s.admin(ctx, in, candorv1.PeopleService_CreateUserToken_FullMethodName)
	if err != nil {
		return nil, err
	}
	lifetime := tokenLifetime
	if in.GetLifetime() != nil {
		lifetime = in.GetLifetime().AsDuration()
	}
	now, secret := s.g.users.Now(), people.NewToken()
	token := people.Token{ID: people.NewID(), Description: in.GetDescription(), Created: now, Expire: now.Add(lifetime)}
	if err := s.g.users.CreateToken(ctx, in.GetName(), token, people.SumOf(secret), by(ctx, p)); err != nil {
		return nil, noUser(err, in.GetName())
	}
	return &candorv1.CreateUserTokenResponse{Token: tokenProto(token), Secret: secret}, nil
}

func (s *peopleService) RevokeUserToken(ctx context.Context, in *candorv1.RevokeUserTokenRequest) (*candorv1.RevokeUserTokenResponse, error) {
	p, err := s.admin(ctx, in, candorv1.PeopleService_RevokeUserToken_FullMethodName)
	if err != nil {
		return nil, err
	}
	err = s.g.users.RevokeToken(ctx, in.GetName(), in.GetId(), by(ctx, p))
	if errors.Is(err, people.ErrNotFound) {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_USER_NOT_FOUND,
			"%q has no token %q; candor users list shows the tokens that there are", in.GetName(), in.GetId()).with("user", in.GetName())
	}
	if err != nil {
		return nil, err
	}
	return &candorv1.RevokeUserTokenResponse{}, nil
}

func (s *peopleService) ListSessions(ctx context.Context, in *candorv1.ListSessionsRequest) (*candorv1.ListSessionsResponse, error) {
	if _, err := s.admin(ctx, in, candorv1.PeopleService_ListSessions_FullMethodName); err != nil {
		return nil, err
	}
	all, err := s.g.users.Sessions(ctx, in.GetUser())
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListSessionsResponse{}
	for _, v := range all {
		expire := v.Expire
		if v.IdleUntil.Before(expire) {
			expire = v.IdleUntil
		}
		out.Sessions = append(out.Sessions, &candorv1.Session{
			Id: v.ID, User: v.Person.Name, Method: v.Person.Method, CreateTime: timestamppb.New(v.Created), LastUseTime: timestamppb.New(v.LastUse),
			ExpireTime: timestamppb.New(expire), Remote: v.Remote, UserAgent: v.UserAgent,
		})
	}
	return out, nil
}

func (s *peopleService) EndSessions(ctx context.Context, in *candorv1.EndSessionsRequest) (*candorv1.EndSessionsResponse, error) {
	p, err := s.admin(ctx, in, candorv1.PeopleService_EndSessions_FullMethodName)
	if err != nil {
		return nil, err
	}
	sessions, tokens, err := s.g.users.EndSessions(ctx, in.GetUser(), true, by(ctx, p))
	if err != nil {
		return nil, err
	}
	return &candorv1.EndSessionsResponse{Sessions: sessions, Tokens: tokens}, nil
}

// code makes an enrolment code.
func (s *peopleService) code() (string, people.Code) {
	code := people.NewCode()
	return code, people.Code{Sum: people.SumOfCode(code), Expire: s.g.users.Now().Add(codeLifetime)}
}

// rights refuses roles and queues that there aren't.
func (s *peopleService) rights(u *candorv1.User) error {
	for i, r := range u.GetRoles() {
		if candorv1.Role_name[int32(r)] == "" || r == candorv1.Role_ROLE_UNSPECIFIED {
			return invalid("user.roles", "there is no such role; send some of reviewer, senior, operator, auditor, admin")
		}
		if slices.Contains(u.GetRoles()[:i], r) {
			return invalid("user.roles", "a role is given twice")
		}
	}
	for i, q := range u.GetQueues() {
		if err := s.g.knownQueue(q); err != nil || q == "" {
			return invalid("user.queues", "there is no queue "+q+" in the configuration")
		}
		if slices.Contains(u.GetQueues()[:i], q) {
			return invalid("user.queues", "a queue is given twice")
		}
	}
	return nil
}

// queuesOrAll are a user's queues; none are all.
func queuesOrAll(u *candorv1.User) []string {
	if len(u.GetQueues()) == 0 {
		return nil
	}
	return u.GetQueues()
}

// noUser is a store's error in the caller's words.
func noUser(err error, name string) error {
	if !errors.Is(err, people.ErrNotFound) {
		return err
	}
	return errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_USER_NOT_FOUND,
		"there is no user %q, or they are disabled; candor users list shows who there is", name).with("user", name)
}

func userProto(u *people.User) *candorv1.User {
	out := &candorv1.User{
		Name: u.Name, Roles: u.Roles, Queues: u.Queues, Disabled: u.Disabled, CreateTime: timestamppb.New(u.Created),
		HasPassword: u.Password != "", Passkeys: uint32(len(u.Passkeys)),
	}
	if !u.LastLogin.IsZero() {
		out.LastLoginTime = timestamppb.New(u.LastLogin)
	}
	for _, t := range u.Tokens {
		out.Tokens = append(out.Tokens, tokenProto(t))
	}
	return out
}

func tokenProto(t people.Token) *candorv1.UserToken {
	out := &candorv1.UserToken{Id: t.ID, Description: t.Description, CreateTime: timestamppb.New(t.Created), ExpireTime: timestamppb.New(t.Expire)}
	if !t.LastUse.IsZero() {
		out.LastUseTime = timestamppb.New(t.LastUse)
	}
	return out
}
