package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Artefacts keeps what candor calibrate has made. Safe for concurrent use.
type Artefacts interface {
	// PutArtefact stores it under the next version of its name and answers it with version and create_time. The same scope, data
	// set and body under the same name answer the version that there is.
	PutArtefact(ctx context.Context, a *candorv1.Artefact) (*candorv1.Artefact, error)
	// GetArtefact answers one; version 0 is the newest. Errors: calibration.ErrNoArtefact.
	GetArtefact(ctx context.Context, name string, version uint32) (*candorv1.Artefact, error)
	// ListArtefacts answers all, by name and then by version.
	ListArtefacts(ctx context.Context) ([]*candorv1.Artefact, error)
}

type artefactService struct {
	candorv1.UnimplementedArtefactServiceServer
	g *Gateway
}

func (s *artefactService) PutArtefact(ctx context.Context, in *candorv1.PutArtefactRequest) (*candorv1.PutArtefactResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR)
	if err != nil {
		return nil, err
	}
	a := in.GetArtefact()
	if calibration.IsCalibrator(a) {
		if _, err := calibration.New(a); err != nil {
			return nil, invalid("artefact", err.Error())
		}
	}
	// Who stores it is who made it: nobody signs for somebody else.
	a.Author = p.Name
	stored, err := s.g.artefacts.PutArtefact(ctx, a)
	if err != nil {
		return nil, err
	}
	s.g.log.InfoContext(ctx, "artefact stored", slog.String("artefact", artefactName(stored.GetName(), stored.GetVersion())), slog.String("by", p.Name))
	return &candorv1.PutArtefactResponse{Artefact: stored}, nil
}

func (s *artefactService) GetArtefact(ctx context.Context, in *candorv1.GetArtefactRequest) (*candorv1.GetArtefactResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	a, err := s.g.artefacts.GetArtefact(ctx, in.GetName(), in.GetVersion())
	if errors.Is(err, calibration.ErrNoArtefact) {
		name := artefactName(in.GetName(), in.GetVersion())
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_ARTEFACT_NOT_FOUND, "there is no artefact %q", name).with("artefact", name)
	}
	if err != nil {
		return nil, err
	}
	return &candorv1.GetArtefactResponse{Artefact: a}, nil
}

func (s *artefactService) ListArtefacts(ctx context.Context, in *candorv1.ListArtefactsRequest) (*candorv1.ListArtefactsResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	all, err := s.g.artefacts.ListArtefacts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		lighten(a)
	}
	return &candorv1.ListArtefactsResponse{Artefacts: all}, nil
}

// lighten takes out what makes an artefact large: hundreds of Venn-Abers curves wouldn't fit into a message.
func lighten(a *candorv1.Artefact) {
	if b := a.GetIsotonic(); b != nil {
		b.X, b.Y = nil, nil
	}
	if b := a.GetVennAbers(); b != nil {
		b.X, b.P0, b.P1 = nil, nil, nil
	}
	if b := a.GetStacking(); b != nil {
		b.Coefficients, b.Intercepts = nil, nil
	}
	if b := a.GetHeldOut(); b != nil {
		b.Levels = nil
	}
}

// artefact is what the configuration names as name@version. Errors say how to make it.
func (g *Gateway) artefact(ctx context.Context, nameAtVersion string) (*candorv1.Artefact, error) {
	name, text, _ := strings.Cut(nameAtVersion, "@")
	version, err := strconv.ParseUint(text, 10, 32)
	if err != nil || version == 0 {
		return nil, fmt.Errorf("%q is not name@version", nameAtVersion)
	}
	if g.artefacts == nil {
		return nil, fmt.Errorf("there is no store for artefacts that could have %s", nameAtVersion)
	}
	a, err := g.artefacts.GetArtefact(ctx, name, uint32(version))
	if errors.Is(err, calibration.ErrNoArtefact) {
		return nil, fmt.Errorf("the store has no %s; candor calibrate --store makes it, and candor artefacts list shows what there is", nameAtVersion)
	}
	return a, err
}

// artefactName is name@version; version 0: the newest of the name.
func artefactName(name string, version uint32) string {
	if version == 0 {
		return name
	}
	return fmt.Sprintf("%s@%d", name, version)
}
