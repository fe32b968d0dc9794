package deploy

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// operator is what the operator exports before docker compose up.
var operator = types.Mapping{
	"LIPAD_BASE_URL": "https://lipad.example", "AFRICASTALKING_USERNAME": "sandbox",
	"SOZURI_PROJECT": "project",
}

// composeFiles are the core and all providers.
var composeFiles = []string{
	"compose.yaml", "compose/lipad.yaml", "compose/africastalking.yaml", "compose/quicksms.yaml",
	"compose/sozuri.yaml",
}

// compose does what docker compose config does, with every profile.
func compose(t *testing.T, files map[string]string) (*types.Project, error) {
	t.Helper()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	details := types.ConfigDetails{WorkingDir: here, Environment: maps.Clone(operator)}
	for _, name := range composeFiles {
		if text, wanted := files[name]; wanted {
			details.ConfigFiles = append(details.ConfigFiles,
				types.ConfigFile{Filename: filepath.Join(here, name), Content: []byte(text)})
		}
	}
	return loader.LoadWithContext(t.Context(), details, loader.WithProfiles([]string{"*"}))
}

// readCompose reads some of the compose files.
func readCompose(t *testing.T, names ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range names {
		files[name] = read(t, name)
	}
	return files
}

// project is a loaded compose file beside the secrets of an operator.
type project struct {
	*types.Project
	secrets  string
	problems []string
}

func (p *project) problem(format string, values ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, values...))
}

// examineCompose returns all that is wrong with the compose files.
func examineCompose(t *testing.T, files map[string]string, secrets string) []string {
	t.Helper()
	loaded, err := compose(t, files)
	if err != nil {
		return []string{err.Error()}
	}
	p := &project{Project: loaded, secrets: secrets}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		service := p.Services[name]
		p.guarded(service)
		if strings.HasPrefix(service.Image, "tuma:") {
			p.ours(service)
		}
	}
	p.redis(t)
	p.scrapes(t)
	worker := p.Services["worker"]
	if replicas := worker.GetScale(); replicas != 2 {
		p.problem("worker: there are %d and not two", replicas)
	}
	return p.problems
}

func TestComposeFitsTheProgramsAndTheSpecification(t *testing.T) {
	t.Parallel()
	secrets := newSecrets(t)
	require.Empty(t, examineCompose(t, readCompose(t, composeFiles...), secrets))
	for _, provider := range composeFiles[1:] {
		loaded, err := compose(t, readCompose(t, "compose.yaml", provider))
		require.NoError(t, err)
		name := strings.TrimSuffix(path.Base(provider), ".yaml")
		p := &project{Project: loaded, secrets: secrets}
		for _, service := range []string{"worker", "poller"} {
			run := p.process(p.Services[service])
			run.env["TUMA_DEFAULT_PROVIDER"] = name
			require.Empty(t, append(run.problems(), p.problems...), provider)
		}
	}
}

// guarded looks at what holds of every container.
func (p *project) guarded(s types.ServiceConfig) {
	if _, tag, _ := strings.Cut(s.Image, ":"); tag == "" || tag == "latest" {
		p.problem("%s: image %s has no version", s.Name, s.Image)
	}
	if s.Build != nil {
		if _, there := stages(p.dockerfile(s))[s.Build.Target]; !there {
			p.problem("%s: the Dockerfile has no target %s", s.Name, s.Build.Target)
		}
	}
	if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || s.Privileged ||
		!slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		p.problem("%s: has rights that it does not need", s.Name)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			p.problem("%s: port %d is open to other machines", s.Name, port.Target)
		}
	}
	if _, there := s.Networks["state"]; there && s.Name != "redis" && s.Build == nil {
		p.problem("%s: reaches Redis without need", s.Name)
	}
	for _, config := range s.Configs {
		if _, err := os.Stat(p.Configs[config.Source].File); err != nil {
			p.problem("%s: config %s: %s", s.Name, config.Source, err)
		}
	}
}

func (p *project) dockerfile(s types.ServiceConfig) string {
	text, err := os.ReadFile(filepath.Join(s.Build.Context, s.Build.Dockerfile))
	if err != nil {
		p.problem("%s: %s", s.Name, err)
	}
	return string(text)
}

// ours looks at a service that runs our image.
func (p *project) ours(s types.ServiceConfig) {
	if !s.ReadOnly {
		p.problem("%s: can write to its image", s.Name)
	}
	if s.DependsOn["redis"].Condition != types.ServiceConditionHealthy {
		p.problem("%s: starts before Redis answers", s.Name)
	}
	if s.Restart != types.RestartPolicyUnlessStopped {
		p.problem("%s: is not started again", s.Name)
	}
	run := p.process(s)
	p.problems = append(p.problems, run.problems()...)
	for _, port := range s.Ports {
		address := fmt.Sprintf(":%d", port.Target)
		if !slices.Contains(slices.Collect(maps.Values(run.env)), address) {
			p.problem("%s: nothing listens on %s", s.Name, address)
		}
	}
}

// process is a service as a process on this machine.
func (p *project) process(s types.ServiceConfig) process {
	run := process{
		name: s.Name, command: s.Command, env: map[string]string{}, files: map[string]string{},
	}
	if s.StopGracePeriod != nil {
		run.grace = time.Duration(*s.StopGracePeriod)
	}
	for name, value := range s.Environment {
		if value != nil {
			run.env[name] = *value
		}
	}
	for _, config := range s.Configs {
		run.files[config.Target] = p.Configs[config.Source].File
	}
	for _, secret := range s.Secrets {
		folder, name := filepath.Split(p.Secrets[secret.Source].File)
		at := filepath.Join(p.secrets, name)
		if _, err := os.Stat(at); err != nil || filepath.Base(folder) != "secrets" {
			p.problem("%s: secret %s is no file of deploy/secrets", s.Name, secret.Source)
		}
		target := secret.Target
		if !path.IsAbs(target) {
			target = path.Join("/run/secrets", target)
		}
		run.files[target] = at
	}
	return run
}

// redis looks at the Redis.
func (p *project) redis(t *testing.T) {
	t.Helper()
	redis := p.Services["redis"]
	networks := slices.Sorted(maps.Keys(redis.Networks))
	if !slices.Equal(networks, []string{"state"}) || !p.Networks["state"].Internal ||
		len(redis.Ports) > 0 {
		p.problem("redis: others than Tuma reach it")
	}
	if redis.User == "" || strings.HasPrefix(redis.User, "0") || !redis.ReadOnly {
		p.problem("redis: has rights that it does not need")
	}
	if redis.HealthCheck == nil {
		p.problem("redis: nobody knows when it answers")
	}
	if redis.Deploy == nil || redis.Deploy.Resources.Limits == nil ||
		int64(redis.Deploy.Resources.Limits.MemoryBytes) < 2*maxmemory(t) {
		p.problem("redis: has less memory than twice its maxmemory")
	}
	if !slices.ContainsFunc(redis.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && v.Target == "/data"
	}) {
		p.problem("redis: its data is on no volume")
	}
}

// scrapes holds the addresses that Prometheus looks at against the services.
func (p *project) scrapes(t *testing.T) {
	t.Helper()
	var file struct {
		Configs []struct {
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
			Names []struct {
				Names []string `yaml:"names"`
				Port  string   `yaml:"port"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "prometheus/prometheus.yml")), &file))
	seen := map[string]bool{}
	for _, job := range file.Configs {
		for _, group := range job.Static {
			for _, target := range group.Targets {
				seen[target] = true
			}
		}
		for _, group := range job.Names {
			for _, name := range group.Names {
				seen[name+":"+group.Port] = true
			}
		}
	}
	for name, s := range p.Services {
		if ops := s.Environment["TUMA_OPS_ADDR"]; ops != nil && !seen[name+*ops] {
			p.problem("%s: Prometheus does not look at %s", name, name+*ops)
		}
	}
}

// composeBreaks are ways to break compose.yaml.
var composeBreaks = []misfit{
	{"services worker comand", "[worker]", "services.worker.comand"},
	{"x-tuma stop_grace_period", "40s", "worker: has 40s to stop and may need 40s"},
	{
		"services poller environment TUMA_MONITOR_USERS", "tuma",
		"TUMA_MONITOR_USERS: internal/config knows no such",
	},
	{"x-settings TUMA_DEFAULT_PROVIDER", "mpesa", "must be one of lipad"},
	{
		"services poller environment TUMA_CALLBACK_TOKEN", "token",
		"TUMA_CALLBACK_TOKEN: a secret must be given as a file",
	},
	{"services poller environment TUMA_CALLBACK_TOKEN_FILE", "", "poller: takes no callbacks"},
	{
		"services poller environment TUMA_MONITOR_PASSWORD_FILE",
		"/run/secrets/tuma_callback_token", "the file must be named after the variable",
	},
	{
		"services poller secrets tuma_callback_token", "",
		"TUMA_CALLBACK_TOKEN_FILE=/run/secrets/tuma_callback_token: is not mounted",
	},
	{
		"secrets worker_redis_url file", "./secrets/workers_redis_url",
		"worker: secret worker_redis_url is no file of deploy/secrets",
	},
	{"configs tuma file", "./compose/absent.yaml", "config tuma: stat"},
	{"services poller ports 0", "'8081:8081'", "poller: port 8081 is open to other machines"},
	{"services poller ports 0", "'127.0.0.1:8081:8082'", "poller: nothing listens on :8082"},
	{"services worker environment TUMA_OPS_ADDR", "127.0.0.1:9101", "worker: listens for ops on"},
	{"services worker command worker", "workers", "worker: workers is not in the image"},
	{"services worker deploy replicas", "1", "worker: there are 1 and not two"},
	{"networks state", "{}", "redis: others than Tuma reach it"},
	{"services redis ports", "['127.0.0.1:6379:6379']", "redis: others than Tuma reach it"},
	{
		"services prometheus networks", "[state, metrics, outside]",
		"prometheus: reaches Redis without need",
	},
	{
		"services redis deploy resources limits memory", "1500M",
		"redis: has less memory than twice",
	},
	{"services redis volumes", "", "redis: its data is on no volume"},
	{"services redis image", "redis", "redis: image redis has no version"},
	{"services redis user", "'0'", "redis: has rights"},
	{"x-guarded cap_drop", "[NET_RAW]", "worker: has rights that it does not need"},
	{"x-guarded read_only", "", "worker: can write to its image"},
	{"x-tuma depends_on redis condition", "service_started", "worker: starts before Redis"},
	{"services demo build target", "simulator", "demo: the Dockerfile has no target simulator"},
	{"services poller", "", `service "poller" has neither an image`},
}

func TestComposeBreaksAreNoticed(t *testing.T) {
	t.Parallel()
	secrets := newSecrets(t)
	for _, b := range composeBreaks {
		t.Run(b.found, func(t *testing.T) {
			t.Parallel()
			files := readCompose(t, composeFiles...)
			files["compose.yaml"] = b.apply(t, files["compose.yaml"])
			requireFound(t, examineCompose(t, files, secrets), b.found)
		})
	}
}

func TestComposeAsksForWhatOnlyTheOperatorKnows(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	for _, provider := range []string{"lipad", "africastalking", "sozuri"} {
		_, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
			WorkingDir: here, Environment: types.Mapping{},
			ConfigFiles: types.ToConfigFiles([]string{"compose.yaml", "compose/" + provider + ".yaml"}),
		})
		require.ErrorContains(t, err, "set it to", provider)
	}
}
