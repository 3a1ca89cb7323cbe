//! Where the worker is: the domains that its deployment puts into files, such as its zone, and within
//! which of them routers keep the hand-over of KV cache.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynamo_backend_environment::{
    DYN_KV_TRANSFER_DOMAIN, DYN_KV_TRANSFER_ENFORCEMENT, DYN_KV_TRANSFER_PREFERRED_WEIGHT,
    DYN_TOPOLOGY_ENABLED, DYN_TOPOLOGY_MOUNT_PATH, Variable,
};
use dynamo_kv_router::protocols::KvTransferEnforcement;
use dynamo_llm::local_model::runtime_config::ModelRuntimeConfig;
use dynamo_runtime::config::parse_bool_opt;
use dynamo_runtime::error::DynamoError;
use tokio::time::{Instant, sleep};

use crate::error::invalid_argument;

const FOLDER: &str = "/etc/dynamo/topology";
/// Labels of a pod may get into their files after its start.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// What an operator has set.
#[derive(Debug, PartialEq)]
pub(crate) struct Topology {
    folder: PathBuf,
    transfer_domain: String,
    enforcement: KvTransferEnforcement,
    preferred_weight: Option<f32>,
}

/// The domains of one worker, as its card has them.
#[derive(Debug, PartialEq)]
pub(crate) struct Domains {
    of: Topology,
    values: HashMap<String, String>,
}

impl Topology {
    /// What the environment says; `None` where topology is off, which it is by default.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, naming variable and value.
    pub(crate) fn configured() -> Result<Option<Self>, DynamoError> {
        let of = |variable: Variable| {
            let text = variable.text().map(|text| text.trim().to_owned());
            text.filter(|text| !text.is_empty())
        };
        let Some(flag) = of(DYN_TOPOLOGY_ENABLED) else {
            return Ok(None);
        };
        match parse_bool_opt(&flag) {
            Some(true) => Self::parse(of).map(Some),
            Some(false) => Ok(None),
            None => {
                tracing::warn!(
                    "{DYN_TOPOLOGY_ENABLED}: '{flag}' is neither true nor false; topology is off"
                );
                Ok(None)
            }
        }
    }

    fn parse(of: impl Fn(Variable) -> Option<String>) -> Result<Self, DynamoError> {
        let transfer_domain = of(DYN_KV_TRANSFER_DOMAIN).ok_or_else(|| {
            invalid_argument(format!(
                "{DYN_KV_TRANSFER_DOMAIN}: with {DYN_TOPOLOGY_ENABLED} it must name a domain, such \
                 as 'zone'"
            ))
        })?;
        let enforcement = match of(DYN_KV_TRANSFER_ENFORCEMENT).as_deref() {
            None | Some("required") => KvTransferEnforcement::Required,
            Some("preferred") => KvTransferEnforcement::Preferred,
            Some(other) => {
                return Err(invalid_argument(format!(
                    "{DYN_KV_TRANSFER_ENFORCEMENT}: '{other}' is unknown; accepted: 'required', \
                     'preferred'"
                )));
            }
        };
        let weight = |text: String| {
            let parsed = text.parse().ok();
            parsed
                .filter(|weight| (0.0..=1.0).contains(weight))
                .ok_or_else(|| {
                    invalid_argument(format!(
                        "{DYN_KV_TRANSFER_PREFERRED_WEIGHT}: '{text}' is not accepted; accepted: a \
                         number from 0 to 1"
                    ))
                })
        };
        Ok(Self {
            folder: of(DYN_TOPOLOGY_MOUNT_PATH).map_or_else(|| FOLDER.into(), PathBuf::from),
            transfer_domain,
            enforcement,
            preferred_weight: of(DYN_KV_TRANSFER_PREFERRED_WEIGHT)
                .map(weight)
                .transpose()?,
        })
    }

    /// Reads the domains, as soon as the one that counts for KV cache is there.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`: it did not come within 30 s.
    pub(crate) async fn read(self) -> Result<Domains, DynamoError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let why_not = match read_folder(&self.folder) {
                Ok(values) if values.contains_key(&self.transfer_domain) => {
                    return Ok(Domains { of: self, values });
                }
                Ok(_) => "no such file, or an empty one".to_owned(),
                Err(error) => error.to_string(),
            };
            let file = self.folder.join(&self.transfer_domain);
            if Instant::now() >= deadline {
                return Err(invalid_argument(format!(
                    "topology: {} did not come within {PATIENCE:?}, which {DYN_KV_TRANSFER_DOMAIN} \
                     names ({why_not}); check {DYN_TOPOLOGY_MOUNT_PATH} and the labels of the pod",
                    file.display()
                )));
            }
            tracing::info!("waiting for the topology in {}: {why_not}", file.display());
            sleep(PAUSE).await;
        }
    }
}

impl Domains {
    /// Writes them into a card, which makes taints of them.
    pub(super) fn write(&self, card: &mut ModelRuntimeConfig) {
        card.topology_domains = self.values.clone();
        card.kv_transfer_domain = Some(self.of.transfer_domain.clone());
        card.kv_transfer_enforcement = Some(self.of.enforcement);
        card.kv_transfer_preferred_weight = self.of.preferred_weight;
    }
}

/// Each file's name and its content. Hidden ones are those by which Kubernetes swaps the others; what
/// cannot be read is as good as not there.
fn read_folder(folder: &Path) -> std::io::Result<HashMap<String, String>> {
    let mut values = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| !name.starts_with('.')) else {
            continue;
        };
        // A folder cannot be read like this, and a link is followed.
        match fs::read_to_string(&path) {
            Ok(value) if !value.trim().is_empty() => {
                values.insert(name.to_owned(), value.trim().to_owned());
            }
            Ok(_) => {}
            Err(error) => tracing::debug!("{} is no domain: {error}", path.display()),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(set: &[(Variable, &str)]) -> Result<Topology, String> {
        let of = |wanted: Variable| {
            let found = set.iter().find(|(variable, _)| *variable == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        Topology::parse(of).map_err(|error| error.message().to_owned())
    }

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("topology-{name}-{id}"));
        fs::create_dir(&folder).unwrap();
        for (name, value) in files {
            fs::write(folder.join(name), value).unwrap();
        }
        folder
    }

    fn in_folder(folder: &Path) -> Topology {
        Topology {
            folder: folder.to_owned(),
            ..parse(&[(DYN_KV_TRANSFER_DOMAIN, "zone")]).unwrap()
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        let zone = (DYN_KV_TRANSFER_DOMAIN, "zone");
        for (set, expected) in [
            (&[][..], "DYN_KV_TRANSFER_DOMAIN: with"),
            (
                &[zone, (DYN_KV_TRANSFER_ENFORCEMENT, "Required")],
                "DYN_KV_TRANSFER_ENFORCEMENT: 'Required' is unknown",
            ),
            (
                &[zone, (DYN_KV_TRANSFER_PREFERRED_WEIGHT, "heavy")],
                "DYN_KV_TRANSFER_PREFERRED_WEIGHT: 'heavy'",
            ),
            (
                &[zone, (DYN_KV_TRANSFER_PREFERRED_WEIGHT, "1.5")],
                "DYN_KV_TRANSFER_PREFERRED_WEIGHT: '1.5'",
            ),
            (
                &[zone, (DYN_KV_TRANSFER_PREFERRED_WEIGHT, "NaN")],
                "DYN_KV_TRANSFER_PREFERRED_WEIGHT: 'NaN'",
            ),
        ] {
            let message = parse(set).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_card_has_what_the_files_say() {
        let folder = folder(
            "read",
            &[
                ("zone", " a\n"),
                ("Rack", "7"),
                ("empty", " "),
                (".data", "x"),
            ],
        );
        fs::create_dir(folder.join("nested")).unwrap();
        std::os::unix::fs::symlink("zone", folder.join("linked")).unwrap();
        let topology = Topology {
            enforcement: KvTransferEnforcement::Preferred,
            preferred_weight: Some(0.5),
            ..in_folder(&folder)
        };
        let mut card = ModelRuntimeConfig::default();
        topology.read().await.unwrap().write(&mut card);
        let expected = [("zone", "a"), ("Rack", "7"), ("linked", "a")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(card.topology_domains, HashMap::from(expected));
        assert_eq!(card.kv_transfer_domain.as_deref(), Some("zone"));
        assert_eq!(
            card.kv_transfer_enforcement,
            Some(KvTransferEnforcement::Preferred)
        );
        assert_eq!(card.kv_transfer_preferred_weight, Some(0.5));
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_domain_that_comes_late_is_waited_for_and_one_that_does_not_ends_the_start() {
        let folder = folder("late", &[("rack", "7")]);
        let message = in_folder(&folder).read().await.unwrap_err();
        let message = message.message();
        assert!(
            message.contains("/zone did not come within 30s"),
            "{message}"
        );
        let late = async {
            sleep(PATIENCE / 2).await;
            fs::write(folder.join("zone"), "a").unwrap();
        };
        let (read, ()) = tokio::join!(in_folder(&folder).read(), late);
        assert_eq!(read.unwrap().values["zone"], "a");
        fs::remove_dir_all(folder).unwrap();
    }
}
