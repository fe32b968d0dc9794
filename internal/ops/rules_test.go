package ops_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// rule is one alert as it is deployed.
type rule struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

// deployed reads a file of deploy/prometheus.
func deployed(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "prometheus", name))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into))
}

// rules reads the alerts by name.
func rules(t *testing.T) map[string]rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	deployed(t, "rules.yml", &file)
	byName := map[string]rule{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			require.NotContains(t, byName, r.Alert)
			byName[r.Alert] = r
		}
	}
	return byName
}

// TestAlertRules has Prometheus's own tool check the configuration and run the rules' tests.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	for _, arguments := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "rules.yml"},
		{"test", "rules", "rules_test.yml"},
	} {
		command := exec.Command(promtool, arguments...)
		command.Dir = filepath.Join(root(t), "deploy", "prometheus")
		output, err := command.CombinedOutput()
		require.NoError(t, err, "promtool %s\n%s", strings.Join(arguments, " "), output)
	}
}

// TestEveryAlertSaysWhatToDo and is seen firing and seen silent by the rules' tests.
func TestEveryAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			Cases []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	deployed(t, "rules_test.yml", &file)
	firing, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			firing[c.Alertname] = firing[c.Alertname] || len(c.Expected) > 0
			silent[c.Alertname] = silent[c.Alertname] || len(c.Expected) == 0
		}
	}
	alerts := rules(t)
	require.NotEmpty(t, alerts)
	for name, r := range alerts {
		require.True(t, firing[name], "%s never fires in rules_test.yml", name)
		require.True(t, silent[name], "%s is never silent in rules_test.yml", name)
		require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], name)
		require.NotEmpty(t, r.Annotations["summary"], name)
		require.Greater(t, len(r.Annotations["description"]), 60, "%s: say what to do", name)
		require.Equal(t, "docs/runbook.md#"+strings.ToLower(name), r.Annotations["runbook"])
	}
}
