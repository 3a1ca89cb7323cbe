//! Cards that point at the worker's own system server for the model's files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dynamo_backend_environment::DYN_SELF_HOST_METADATA;
use dynamo_llm::common::checked_file::CheckedFile;
use dynamo_llm::model_card::ModelDeploymentCard;
use dynamo_runtime::SystemStatusServerInfo;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::config::parse_bool_opt;
use dynamo_runtime::metadata_registry::BASE_SUFFIX;
use dynamo_runtime::traits::DistributedRuntimeProvider;

/// What a model's folder may have beside what the card names, for a frontend's own loaders.
const COMPANIONS: [&str; 5] = ["json", "txt", "model", "jinja", "tiktoken"];

/// Where other machines reach the system server that listens on `address`; `None` where they do
/// not, or the operator does not want it.
pub(super) fn reachable(address: Option<SocketAddr>) -> Option<SocketAddr> {
    let wanted = DYN_SELF_HOST_METADATA
        .text()
        .and_then(|value| parse_bool_opt(&value))
        .unwrap_or(true);
    let address = address.filter(|address| wanted && !address.ip().is_loopback())?;
    let advertised = SystemStatusServerInfo::new(address, None).advertised_socket_addr();
    (!advertised.ip().is_loopback()).then_some(advertised)
}

/// Has the system server hand out the card's files, and the card say so. `folder` is the model's.
pub(crate) fn point_at(
    address: SocketAddr,
    card: &mut ModelDeploymentCard,
    folder: &Path,
    endpoint: &Endpoint,
) -> anyhow::Result<()> {
    let id = endpoint.id();
    let drt = endpoint.drt();
    let owner = (drt.connection_id(), None);
    let model = card.slug().to_string();
    let companions = companions(card, folder)?;
    card.extra_files.extend(companions);
    for (file, _) in card.iter_metadata_files_mut() {
        let Some(path) = file.path().map(std::path::absolute) else {
            continue;
        };
        let path = path?;
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let url = format!(
            "http://{address}/v1/metadata/{}/{}/{}/{model}/{BASE_SUFFIX}/{name}",
            id.namespace, id.component, id.name
        );
        let url = url.parse().with_context(|| url.clone())?;
        drt.metadata_artifacts().register(
            &owner,
            &id.namespace,
            &id.component,
            &id.name,
            &model,
            BASE_SUFFIX,
            name,
            path.clone(),
        )?;
        file.move_to_url(url);
    }
    Ok(())
}

fn companions(card: &ModelDeploymentCard, folder: &Path) -> anyhow::Result<Vec<CheckedFile>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let named: Vec<PathBuf> = card
        .iter_metadata_files()
        .iter()
        .filter_map(|(file, _)| file.path().map(Path::to_owned))
        .collect();
    let is_named = |path: &Path| {
        named
            .iter()
            .any(|other| other.file_name() == path.file_name())
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_companion = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| COMPANIONS.contains(&extension));
        if is_companion && path.is_file() && !is_named(&path) {
            found.push(CheckedFile::from_disk(&path)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_6_a_loopback_address_is_not_advertised() {
        assert_eq!(reachable(None), None);
        for loopback in ["127.0.0.1:9090", "[::1]:9090"] {
            assert_eq!(reachable(Some(loopback.parse().unwrap())), None);
        }
        let address = "192.0.2.7:9090".parse().unwrap();
        assert_eq!(reachable(Some(address)), Some(address));
    }
}
