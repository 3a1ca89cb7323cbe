//! Whether a frontend can load a card: found by doing what it does.

use anyhow::Context;
use dynamo_llm::model_card::ModelDeploymentCard;
use dynamo_llm::preprocessor::OpenAIPreprocessor;
use dynamo_llm::preprocessor::prompt::prompt_formatter_from_mdc;
use dynamo_llm::worker_type::WorkerType;

/// Loads `card`, whose files are on this machine, as a frontend does before it lists the model. It
/// takes as long as the tokenizer is large.
pub(super) fn load(card: &ModelDeploymentCard) -> anyhow::Result<()> {
    // Behind these no prompt is made, and a card without files has nothing to load.
    let behind_others = [WorkerType::Prefill, WorkerType::Encode];
    let (Some(info), false) = (
        &card.model_info,
        behind_others.contains(&card.effective_worker_type()),
    ) else {
        return Ok(());
    };
    anyhow::ensure!(
        card.has_tokenizer(),
        "the model has no tokenizer.json, tiktoken.model or *.tiktoken beside its config.json"
    );
    if card.model_type.supports_chat() {
        // By itself first, for an error that says what for.
        prompt_formatter_from_mdc(card).map(drop).context(
            "the chat template and tokenizer_config.json, which 'completions' needs not",
        )?;
        return OpenAIPreprocessor::new(card.clone()).map(drop);
    }
    // Completions are made without a chat template.
    card.tokenizer().context("tokenizer")?;
    info.get_model_info().context("config.json").map(drop)
}
