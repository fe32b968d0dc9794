package deploy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"tuma/internal/tasks"
)

// checks are what must hold of every overlay.
var checks = []func(*testing.T, *cluster) []string{
	checkProcesses, checkPods, checkContainers, checkSelectors, checkServices, checkBudgets,
	checkWays, checkScaling, checkRedis,
}

// overlays are all folders that can be built; base is the part that they share.
var overlays = []string{"base", "overlays/production", "overlays/trial"}

// examine decodes a rendered overlay and returns all that is wrong with it.
func examine(t *testing.T, overlay, text, secrets string) []string {
	t.Helper()
	c, problems := decode(text, secrets)
	c.base = overlay == "base"
	if c.base {
		return problems // It refers to what only an overlay has.
	}
	for _, check := range checks {
		problems = append(problems, check(t, c)...)
	}
	return problems
}

func TestManifestsFitTheProgramsAndTheAPI(t *testing.T) {
	t.Parallel()
	secrets := newSecrets(t)
	for _, overlay := range overlays {
		require.Empty(t, examine(t, overlay, build(t, overlay), secrets), overlay)
	}
}

// checkProcesses holds variables, files, ports and times against the programs.
func checkProcesses(t *testing.T, c *cluster) []string {
	t.Helper()
	var problems []string
	var names []string
	for _, w := range c.ours() {
		names = append(names, w.name)
		p, found := c.process(t, w)
		problems = append(append(problems, found...), p.problems()...)
	}
	for _, name := range []string{"enqueuer", "inlet", "worker", "poller"} {
		if !slices.Contains(names, name) {
			problems = append(problems, name+": is missing, or has another image")
		}
	}
	return problems
}

// checkPods looks at what stands outside of containers.
func checkPods(_ *testing.T, c *cluster) []string {
	var problems []string
	for _, w := range c.workloads {
		spec := w.pod.Spec
		context := spec.SecurityContext
		for _, row := range []struct {
			fine bool
			what string
		}{
			{len(spec.Containers) == 1 && len(spec.InitContainers) == 0, "has not one container"},
			{is(spec.AutomountServiceAccountToken, false), "has a token of the cluster"},
			{is(spec.EnableServiceLinks, false), "gets variables about services"},
			{spec.TerminationGracePeriodSeconds != nil, "has no terminationGracePeriodSeconds"},
			{!spec.HostNetwork && !spec.HostPID && !spec.HostIPC, "shares what is the node's"},
			{context != nil && is(context.RunAsNonRoot, true), "may run as root"},
			{context != nil && context.RunAsUser != nil && *context.RunAsUser > 0, "has no user"},
			{context != nil && context.FSGroup != nil, "cannot read its secrets: no fsGroup"},
			{
				context != nil && context.SeccompProfile != nil &&
					context.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
				"has no seccomp profile",
			},
		} {
			if !row.fine {
				problems = append(problems, w.name+": "+row.what)
			}
		}
	}
	return problems
}

func is(value *bool, want bool) bool { return value != nil && *value == want }

// checkContainers looks at probes, rights, sizes and images.
func checkContainers(_ *testing.T, c *cluster) []string {
	var problems []string
	for _, w := range c.workloads {
		container := w.container()
		problem := func(format string, values ...any) {
			problems = append(problems, w.name+": "+fmt.Sprintf(format, values...))
		}
		context := container.SecurityContext
		if context == nil || !is(context.ReadOnlyRootFilesystem, true) ||
			!is(context.AllowPrivilegeEscalation, false) || context.Capabilities == nil ||
			!slices.Equal(context.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
			len(context.Capabilities.Add) > 0 || context.Privileged != nil {
			problem("has rights that it does not need")
		}
		least, most := container.Resources.Requests, container.Resources.Limits
		if least.Cpu().IsZero() || least.Memory().IsZero() || most.Memory().IsZero() {
			problem("has no sizes: requests of CPU and memory, a limit of memory")
		}
		if _, tag, _ := strings.Cut(container.Image, ":"); tag == "" || tag == "latest" {
			problem("image %s has no version", container.Image)
		}
		ours := slices.ContainsFunc(c.ours(), func(o workload) bool { return o.name == w.name })
		for path, probe := range map[string]*corev1.Probe{
			"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe,
		} {
			switch {
			case probe == nil:
				problem("has no probe of %s", path)
			case ours && (probe.HTTPGet == nil || probe.HTTPGet.Path != path ||
				probe.HTTPGet.Port != intstr.FromString("ops")):
				problem("has a probe that is not %s of port ops", path)
			}
		}
		if port := w.pod.Annotations["prometheus.io/port"]; ours && !hasPort(w, port) {
			problem("prometheus.io/port is %q, which is no port of it", port)
		}
	}
	return problems
}

// hasPort reports whether a number in text is a port of the container.
func hasPort(w workload, number string) bool {
	return slices.ContainsFunc(w.container().Ports, func(p corev1.ContainerPort) bool {
		return strconv.Itoa(int(p.ContainerPort)) == number
	})
}

// selects reports whether a selector takes pods of a workload.
func selects(selector *metav1.LabelSelector, w workload) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(w.pod.Labels))
}

// taken are the names of the workloads that a selector takes.
func (c *cluster) taken(selector *metav1.LabelSelector) []string {
	var names []string
	for _, w := range c.workloads {
		if selects(selector, w) {
			names = append(names, w.name)
		}
	}
	return names
}

// checkSelectors wants every workload to select its own pods and nobody else's.
func checkSelectors(_ *testing.T, c *cluster) []string {
	var problems []string
	for _, w := range c.workloads {
		if names := c.taken(w.selector); !slices.Equal(names, []string{w.name}) {
			problems = append(problems, fmt.Sprintf("%s: selects the pods of %v", w.name, names))
		}
	}
	return problems
}

// checkServices wants every service to lead to a port that is there.
func checkServices(_ *testing.T, c *cluster) []string {
	var problems []string
	for _, s := range c.services {
		names := c.taken(&metav1.LabelSelector{MatchLabels: s.Spec.Selector})
		if len(names) != 1 {
			problems = append(problems, fmt.Sprintf("Service %s: selects %v", s.Name, names))
			continue
		}
		w := c.find(names[0])
		for _, port := range s.Spec.Ports {
			if !slices.ContainsFunc(w.container().Ports, func(p corev1.ContainerPort) bool {
				return p.Name == port.TargetPort.StrVal && p.ContainerPort == port.Port
			}) {
				problems = append(problems, fmt.Sprintf("Service %s: %s has no port %s that is %d",
					s.Name, w.name, port.TargetPort.StrVal, port.Port))
			}
		}
	}
	return problems
}

func (c *cluster) find(name string) workload {
	i := slices.IndexFunc(c.workloads, func(w workload) bool { return w.name == name })
	return c.workloads[i]
}

// checkBudgets wants one disruption budget for each workload of ours.
func checkBudgets(_ *testing.T, c *cluster) []string {
	covered := map[string]int{}
	var problems []string
	for _, b := range c.budgets {
		for _, name := range c.taken(b.Spec.Selector) {
			covered[name]++
		}
		if b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntValue() != 1 {
			problems = append(problems, b.Name+": the budget must let one pod go at a time")
		}
	}
	for _, w := range c.ours() {
		if covered[w.name] != 1 {
			problems = append(problems, fmt.Sprintf("%s: has %d disruption budgets", w.name,
				covered[w.name]))
		}
	}
	return problems
}

// checkWays wants every pod closed, and just the ways open that are needed.
func checkWays(_ *testing.T, c *cluster) []string {
	var problems []string
	if !slices.ContainsFunc(c.policies, closesAll) {
		problems = append(problems, "no policy closes every pod, whatever its labels")
	}
	for _, w := range c.workloads {
		problem := func(format string, values ...any) {
			problems = append(problems, w.name+": "+fmt.Sprintf(format, values...))
		}
		ways := c.ways(w, problem)
		for _, port := range w.container().Ports {
			if !slices.Contains(ways, "from "+port.Name) {
				problem("nobody reaches port %s", port.Name)
			}
		}
		want := map[string][]string{
			"redis": {}, "enqueuer": {"53", "6379"}, "inlet": {"53", "6379"},
			"worker": {"53", "6379", "443"}, "poller": {"53", "6379", "443"},
		}[w.name]
		for _, port := range want {
			if !slices.Contains(ways, "to "+port) {
				problem("reaches nothing at port %s", port)
			}
		}
		for _, way := range ways {
			if port, out := strings.CutPrefix(way, "to "); out && !slices.Contains(want, port) {
				problem("reaches port %s without need", port)
			}
		}
	}
	return problems
}

// closesAll reports whether a policy lets no pod of the namespace take or open a connection.
func closesAll(p networkingv1.NetworkPolicy) bool {
	selector := p.Spec.PodSelector
	return len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 &&
		slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) &&
		slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) &&
		len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
}

// ways lists the open ways of a workload as "from PORT" and "to PORT".
func (c *cluster) ways(w workload, problem func(format string, values ...any)) []string {
	var ways []string
	for _, policy := range c.policies {
		if !selects(&policy.Spec.PodSelector, w) {
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			if len(rule.From) == 0 || len(rule.Ports) == 0 {
				problem("policy %s lets everybody in", policy.Name)
			}
			for _, port := range rule.Ports {
				ways = append(ways, "from "+port.Port.String())
			}
		}
		for _, rule := range policy.Spec.Egress {
			if len(rule.Ports) == 0 {
				problem("policy %s lets it reach every port", policy.Name)
			}
			if len(rule.To) == 0 {
				problem("policy %s lets it reach everything at its ports", policy.Name)
			}
			for _, port := range rule.Ports {
				ways = append(ways, "to "+port.Port.String())
				for _, peer := range rule.To {
					if wrong := c.wide(port.Port.String(), peer); wrong != "" {
						problem("policy %s lets it reach %s at port %s", policy.Name, wrong, port.Port)
					}
				}
			}
		}
	}
	return ways
}

// inside are networks with what no process of ours has to do with: neighbours, and the cloud's
// metadata service.
var inside = []string{
	"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
}

// wide says what else a peer lets be reached than what its port is for; empty is nothing. Providers
// are anywhere on the internet, Redis and the resolver are pods or few addresses.
func (c *cluster) wide(port string, peer networkingv1.NetworkPolicyPeer) string {
	if block := peer.IPBlock; block != nil {
		network, err := netip.ParsePrefix(block.CIDR)
		switch {
		case err != nil:
			return err.Error()
		case port == "443" && !slices.ContainsFunc(inside, func(n string) bool {
			return !slices.Contains(block.Except, n)
		}):
			return ""
		case port == "443":
			return "the cluster"
		case network.Addr().BitLen()-network.Bits() > 8:
			return "all of " + block.CIDR
		}
		return ""
	}
	pods := peer.PodSelector
	switch {
	case pods == nil || len(pods.MatchLabels)+len(pods.MatchExpressions) == 0:
		return "pods of all kinds"
	case port == "6379" && peer.NamespaceSelector == nil &&
		slices.Equal(c.taken(pods), []string{"redis"}):
		return ""
	case port == "53" && peer.NamespaceSelector != nil &&
		peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == "kube-system" &&
		pods.MatchLabels["k8s-app"] == "kube-dns":
		return ""
	}
	return fmt.Sprintf("%v", c.taken(pods))
}

// checkScaling wants workers to be scaled on the tasks of each queue, and never to nothing.
func checkScaling(_ *testing.T, c *cluster) []string {
	var problems []string
	problem := func(format string, values ...any) {
		problems = append(problems, fmt.Sprintf(format, values...))
	}
	want := []string{
		fmt.Sprintf(`max(sum by (queue) (max by (queue, state) `+
			`(tuma_queue_tasks{queue!~"%s|%s", state=~"pending|active"})))`,
			tasks.QueuePoll, tasks.QueueDisbursals),
		fmt.Sprintf(`sum(max by (state) (tuma_queue_tasks{queue=%q, state=~"pending|active"}))`,
			tasks.QueueDisbursals),
	}
	scaled := map[string]bool{}
	for _, s := range c.scaled {
		scaled[s.Spec.ScaleTargetRef.Name] = true
		if s.Spec.MinReplicaCount < 1 || s.Spec.MaxReplicaCount <= s.Spec.MinReplicaCount {
			problem("ScaledObject %s: scales from %d to %d", s.Name, s.Spec.MinReplicaCount,
				s.Spec.MaxReplicaCount)
		}
		var queries []string
		for _, trigger := range s.Spec.Triggers {
			of := trigger.Metadata
			queries = append(queries, of.Query)
			if n, err := strconv.Atoi(of.Threshold); err != nil || n < 1 || of.ServerAddress == "" ||
				trigger.Type != "prometheus" {
				problem("ScaledObject %s: trigger %s has no target", s.Name, of.Query)
			}
		}
		slices.Sort(queries)
		if slices.Sort(want); !slices.Equal(queries, want) {
			problem("ScaledObject %s: looks at %v and not at %v", s.Name, queries, want)
		}
	}
	for _, w := range c.ours() {
		switch {
		case w.replicas != nil && *w.replicas < 1:
			problem("%s: has no replica", w.name)
		case (w.replicas == nil) != scaled[w.name]:
			problem("%s: replicas must be set by the manifest or by KEDA, and not by both", w.name)
		}
	}
	return problems
}

// checkRedis wants room for twice the data: rewriting the append-only file copies pages.
func checkRedis(t *testing.T, c *cluster) []string {
	t.Helper()
	var problems []string
	for _, w := range c.workloads {
		if w.name != "redis" {
			continue
		}
		most := w.container().Resources.Limits
		limit := most.Memory().Value()
		if least := 2 * maxmemory(t); limit < least {
			problems = append(problems, fmt.Sprintf("redis: has %d bytes and needs %d", limit, least))
		}
		if len(w.claims) != 1 {
			problems = append(problems, "redis: its data is on no volume")
		}
	}
	return problems
}
