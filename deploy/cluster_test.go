package deploy

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// scaledObject is what we use of KEDA's ScaledObject.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		ScaleTargetRef struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		PollingInterval int32 `json:"pollingInterval"`
		Advanced        struct {
			HPA struct {
				Behavior struct {
					ScaleDown struct {
						StabilizationWindowSeconds int32 `json:"stabilizationWindowSeconds"`
						Policies                   []struct {
							Type          string `json:"type"`
							Value         int32  `json:"value"`
							PeriodSeconds int32  `json:"periodSeconds"`
						} `json:"policies"`
					} `json:"scaleDown"`
				} `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type     string `json:"type"`
			Metadata struct {
				ServerAddress string `json:"serverAddress"`
				Query         string `json:"query"`
				Threshold     string `json:"threshold"`
			} `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// workload is what makes pods.
type workload struct {
	name     string
	replicas *int32
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
}

// cluster is what an overlay makes.
type cluster struct {
	secrets string // The folder that the Secret tuma is made of.
	base    bool   // It is the part that all overlays share, and has no providers.

	workloads []workload
	services  []corev1.Service
	configs   map[string]corev1.ConfigMap
	budgets   []policyv1.PodDisruptionBudget
	policies  []networkingv1.NetworkPolicy
	scaled    []scaledObject
}

// build does what kubectl kustomize does.
func build(t *testing.T, folder string) string {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
		Run(filesys.MakeFsOnDisk(), filepath.Join("kubernetes", folder))
	require.NoError(t, err)
	text, err := made.AsYaml()
	require.NoError(t, err)
	return string(text)
}

// decode reads every object into the type that the API server reads it into. Fields that are not
// there, or there twice, are problems.
func decode(text, secrets string) (*cluster, []string) {
	c := &cluster{secrets: secrets, configs: map[string]corev1.ConfigMap{}}
	var problems []string
	for document := range strings.SplitSeq(text, "\n---\n") {
		if err := c.add([]byte(document)); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return c, problems
}

// add decodes one object and keeps it.
func (c *cluster) add(document []byte) error {
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var head metav1.PartialObjectMetadata
	if err := json.UnmarshalCaseSensitivePreserveInts(data, &head); err != nil {
		return err
	}
	name := head.Kind + " " + head.Name
	if head.Namespace != "tuma" && head.Kind != "Namespace" {
		return fmt.Errorf("%s: is in namespace %q", name, head.Namespace)
	}
	strict := func(into any) error {
		faults, err := json.UnmarshalStrict(data, into)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(faults) > 0 {
			return fmt.Errorf("%s: %v", name, faults)
		}
		return nil
	}
	switch head.APIVersion + " " + head.Kind {
	case "v1 Namespace":
		return strict(&corev1.Namespace{})
	case "v1 ConfigMap":
		var o corev1.ConfigMap
		err = strict(&o)
		c.configs[o.Name] = o
	case "v1 Service":
		err = keep(strict, &c.services)
	case "policy/v1 PodDisruptionBudget":
		err = keep(strict, &c.budgets)
	case "networking.k8s.io/v1 NetworkPolicy":
		err = keep(strict, &c.policies)
	case "keda.sh/v1alpha1 ScaledObject":
		err = keep(strict, &c.scaled)
	case "apps/v1 Deployment":
		var o appsv1.Deployment
		err = strict(&o)
		c.workloads = append(c.workloads,
			workload{o.Name, o.Spec.Replicas, o.Spec.Selector, o.Spec.Template, nil})
	case "apps/v1 StatefulSet":
		var o appsv1.StatefulSet
		err = strict(&o)
		c.workloads = append(c.workloads, workload{
			o.Name, o.Spec.Replicas, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates,
		})
	default:
		return fmt.Errorf("%s: nothing here decodes %s", name, head.APIVersion)
	}
	return err
}

// keep decodes an object into the end of a list.
func keep[T any](strict func(any) error, list *[]T) error {
	var object T
	err := strict(&object)
	*list = append(*list, object)
	return err
}

// ours are the workloads that run our image.
func (c *cluster) ours() []workload {
	return slices.DeleteFunc(slices.Clone(c.workloads), func(w workload) bool {
		return !strings.HasPrefix(w.container().Image, "tuma:")
	})
}

// container is the only container of a workload.
func (w workload) container() corev1.Container { return w.pod.Spec.Containers[0] }

// process is a workload as a process on this machine.
func (c *cluster) process(t *testing.T, w workload) (process, []string) {
	t.Helper()
	p := process{
		name: w.name, command: w.container().Command, env: map[string]string{},
		ports: map[string]string{}, idle: c.base,
	}
	var problems []string
	problem := func(format string, values ...any) {
		problems = append(problems, w.name+": "+fmt.Sprintf(format, values...))
	}
	if grace := w.pod.Spec.TerminationGracePeriodSeconds; grace != nil {
		p.grace = time.Duration(*grace) * time.Second
	}
	for _, port := range w.container().Ports {
		p.ports[port.Name] = strconv.Itoa(int(port.ContainerPort))
	}
	for _, source := range w.container().EnvFrom {
		values, there := c.configs[source.ConfigMapRef.Name]
		if !there {
			problem("there is no ConfigMap %s", source.ConfigMapRef.Name)
		}
		for name, value := range values.Data {
			p.env[name] = value
		}
	}
	for _, variable := range w.container().Env {
		value := variable.Value
		if from := variable.ValueFrom; from != nil && from.ConfigMapKeyRef == nil {
			problem("%s: only files and ConfigMaps give values", variable.Name)
		} else if from != nil {
			var there bool
			value, there = c.configs[from.ConfigMapKeyRef.Name].Data[from.ConfigMapKeyRef.Key]
			if !there {
				problem("%s: ConfigMap %s has no such key", variable.Name, from.ConfigMapKeyRef.Name)
			}
		}
		p.env[variable.Name] = value
	}
	p.files = c.mounted(t, w, problem)
	return p, problems
}

// mounted are the files of a workload: the path inside → where the same text is on this machine.
func (c *cluster) mounted(
	t *testing.T, w workload, problem func(format string, values ...any),
) map[string]string {
	t.Helper()
	files := map[string]string{}
	volumes := map[string]corev1.Volume{}
	for _, volume := range w.pod.Spec.Volumes {
		volumes[volume.Name] = volume
	}
	for _, claim := range w.claims {
		volumes[claim.Name] = corev1.Volume{Name: claim.Name}
	}
	for _, mount := range w.container().VolumeMounts {
		volume, there := volumes[mount.Name]
		switch {
		case !there:
			problem("mounts %s, which is no volume", mount.Name)
		case volume.ConfigMap != nil:
			values, there := c.configs[volume.ConfigMap.Name]
			if !there {
				problem("there is no ConfigMap %s", volume.ConfigMap.Name)
			}
			for name, text := range values.Data {
				at := filepath.Join(t.TempDir(), name)
				write(t, at, text)
				files[path.Join(mount.MountPath, name)] = at
			}
		case volume.Secret != nil:
			if len(volume.Secret.Items) == 0 || volume.Secret.SecretName != "tuma" {
				problem("must mount single keys of the Secret tuma, not %s", volume.Secret.SecretName)
			}
			for _, item := range volume.Secret.Items {
				at := filepath.Join(c.secrets, item.Key)
				if _, err := os.Stat(at); err != nil {
					problem("the Secret tuma has no key %s", item.Key)
				}
				files[path.Join(mount.MountPath, item.Path)] = at
			}
		}
	}
	return files
}
