//! The files of a model card that points at this server.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::shared::Shared;

type Key = (String, String, String, String, String, String);

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Path((namespace, component, endpoint, model, suffix, file)): Path<Key>,
) -> Response {
    // Only what a card registered is found: a request's own path never reaches the disk.
    let found = shared.members.read().iter().find_map(|member| {
        let artifacts = member.drt.get()?.metadata_artifacts();
        artifacts.get(&namespace, &component, &endpoint, &model, &suffix, &file)
    });
    let Some(path) = found else {
        return (StatusCode::NOT_FOUND, "no such file of a model card\n").into_response();
    };
    match tokio::fs::read(&path).await {
        Ok(bytes) => bytes.into_response(),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "a model card's file cannot be read");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the file cannot be read\n",
            )
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use dynamo_llm::common::checked_file::CheckedFile;
    use dynamo_llm::model_card::ModelDeploymentCard;
    use dynamo_runtime::distributed::DistributedConfig;
    use dynamo_runtime::{DistributedRuntime, Runtime};

    use crate::config::WorkerConfig;
    use crate::discovery::self_host;
    use crate::system::Member;
    use crate::system::router;
    use crate::system::shared::{Members, Paths};

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{address}{path}");
        let answer = client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn section_6_a_card_that_points_here_finds_its_files_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("card-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["named.json", "a companion.json", "weights.safetensors"] {
            std::fs::write(folder.join(name), format!("this is {name}")).unwrap();
        }
        let runtime = Runtime::from_current().unwrap();
        let drt = DistributedRuntime::new(runtime, DistributedConfig::process_local());
        let drt = drt.await.unwrap();
        let config = WorkerConfig::default();
        let endpoint = drt
            .namespace(&config.namespace)
            .and_then(|namespace| namespace.component(&config.component))
            .unwrap()
            .endpoint(&config.endpoint);

        let member = Member::new(&config);
        member.drt.set(drt.clone()).unwrap();
        let members = Members::default();
        members.write().push(member);
        let paths = Paths {
            live: "/live".into(),
            health: "/health".into(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router::build(members, paths, None);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });

        let mut card = ModelDeploymentCard::with_name_only("some/Model");
        let named = CheckedFile::from_disk(folder.join("named.json")).unwrap();
        card.extra_files.push(named);
        self_host::point_at(address, &mut card, &folder, &endpoint).unwrap();

        let (mut found, mut folder_of_urls) = (Vec::new(), String::new());
        for (file, _) in card.iter_metadata_files() {
            let url = file.url().expect("every file is moved").clone();
            assert_eq!(url.host_str(), Some("127.0.0.1"));
            assert_eq!(url.port(), Some(address.port()));
            found.push(get(address, url.path()).await);
            folder_of_urls = url.path().rsplit_once('/').unwrap().0.to_owned();
        }
        found.sort();
        let wanted = ["this is a companion.json", "this is named.json"];
        assert_eq!(found, wanted.map(|text| (200, text.to_owned())));

        for file in [
            "weights.safetensors",
            "../named.json",
            "%2E%2E/%2E%2E/etc/passwd",
        ] {
            assert_eq!(
                get(address, &format!("{folder_of_urls}/{file}")).await.0,
                404,
                "{file}"
            );
        }

        serving.abort();
        drt.shutdown();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
