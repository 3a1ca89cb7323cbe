//! What discovery by Kubernetes needs of the process, so that what is missing is told at once.

use std::path::{Path, PathBuf};

use dynamo_backend_environment::{
    CONTAINER_NAME, DYN_KUBE_DISCOVERY_MODE, HOME, KUBECONFIG, KUBERNETES_SERVICE_HOST, POD_NAME,
    POD_UID, Variable,
};

/// Where the downward API is mounted, if it is.
const POD: &str = "/etc/podinfo";

/// Says what is missing in this process; `None`: nothing.
pub(super) fn missing() -> Option<String> {
    missing_of(Variable::text, |path| {
        std::fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty())
    })
}

fn missing_of(
    text: impl Fn(&Variable) -> Option<String>,
    has_content: impl Fn(&Path) -> bool,
) -> Option<String> {
    let is_set = |variable: &Variable| text(variable).is_some();
    let mut missing = Vec::new();
    for (variable, file) in [(POD_NAME, "pod_name"), (POD_UID, "pod_uid")] {
        if !is_set(&variable) && !has_content(&Path::new(POD).join(file)) {
            missing.push(format!(
                "{variable} (or the file {POD}/{file}), of the downward API"
            ));
        }
    }
    if text(&DYN_KUBE_DISCOVERY_MODE).as_deref() == Some("container") && !is_set(&CONTAINER_NAME) {
        missing.push(format!(
            "{CONTAINER_NAME}, as {DYN_KUBE_DISCOVERY_MODE} is container"
        ));
    }
    let kubeconfig = match text(&KUBECONFIG) {
        Some(files) => std::env::split_paths(&files).any(|file| has_content(&file)),
        None => {
            text(&HOME).is_some_and(|home| has_content(&PathBuf::from(home).join(".kube/config")))
        }
    };
    if !is_set(&KUBERNETES_SERVICE_HOST) && !kubeconfig {
        missing.push(format!(
            "an API server: {KUBERNETES_SERVICE_HOST}, which a pod has, or a kubeconfig ({KUBECONFIG})"
        ));
    }
    (!missing.is_empty()).then(|| {
        format!(
            "discovery by Kubernetes is for a worker in a pod; missing here: {}",
            missing.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing_with(variables: &[(Variable, &str)], files: &[&str]) -> String {
        let text = |variable: &Variable| {
            let mut all = variables.iter();
            all.find(|(key, _)| key == variable)
                .map(|(_, value)| (*value).to_owned())
        };
        missing_of(text, |path| {
            files.iter().any(|file| Path::new(file) == path)
        })
        .unwrap_or_default()
    }

    #[test]
    fn a_process_outside_a_pod_is_told_all_that_it_lacks() {
        let missing = missing_with(&[(HOME, "/home/worker")], &[]);
        for variable in [POD_NAME, POD_UID, KUBERNETES_SERVICE_HOST] {
            assert!(missing.contains(variable.name), "{missing}");
        }
        assert!(!missing.contains("CONTAINER_NAME"));
    }

    #[test]
    fn a_pod_has_everything() {
        let service = (KUBERNETES_SERVICE_HOST, "10.0.0.1");
        let pod = [(POD_NAME, "a"), (POD_UID, "b"), service];
        assert_eq!(missing_with(&pod, &[]), "");
        let files = ["/etc/podinfo/pod_name", "/etc/podinfo/pod_uid"];
        assert_eq!(missing_with(&[service], &files), "");
        let container = [
            pod[0],
            pod[1],
            service,
            (DYN_KUBE_DISCOVERY_MODE, "container"),
        ];
        assert!(missing_with(&container, &[]).contains("CONTAINER_NAME"));
    }

    #[test]
    fn a_kubeconfig_takes_the_place_of_a_pods_service() {
        let pod = [(POD_NAME, "a"), (POD_UID, "b"), (HOME, "/home/worker")];
        assert!(missing_with(&pod, &[]).contains("kubeconfig"));
        assert_eq!(missing_with(&pod, &["/home/worker/.kube/config"]), "");
        let named = [pod[0], pod[1], (KUBECONFIG, "/none:/some")];
        assert_eq!(missing_with(&named, &["/some"]), "");
        assert!(missing_with(&named, &["/home/worker/.kube/config"]).contains("kubeconfig"));
    }
}
