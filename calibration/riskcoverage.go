package calibration

// curvePoints is how many points of a risk-coverage curve are kept: more than a picture has pixels for.
const curvePoints = 400

// riskCoverage answers the curve of rows sorted by descending confidence, and the area under it: the mean over m = 1..n of the error
// rate of the m most confident rows. Within rows of one confidence errors are spread evenly, which is the mean over all orders.
func riskCoverage(rows []judged) (curve []Risk, area float64) {
	n := float64(len(rows))
	errors := 0.0
	for start := 0; start < len(rows); {
		end, wrong := start, 0.0
		for end < len(rows) && rows[end].confidence == rows[start].confidence {
			if rows[end].wrong {
				wrong++
			}
			end++
		}
		for i := start; i < end; i++ {
			share := float64(i-start+1) / float64(end-start)
			area += (errors + wrong*share) / float64(i+1) / n
		}
		errors += wrong
		// Only whole groups can be accepted, by any threshold.
		curve = append(curve, Risk{Threshold: rows[start].confidence, Coverage: float64(end) / n, Risk: errors / float64(end)})
		start = end
	}
	return thin(curve), area
}

// thin keeps about curvePoints of the points, the first and the last among them.
func thin(curve []Risk) []Risk {
	if len(curve) <= curvePoints {
		return curve
	}
	out := make([]Risk, 0, curvePoints)
	for i := range curvePoints {
		out = append(out, curve[i*(len(curve)-1)/(curvePoints-1)])
	}
	return out
}
