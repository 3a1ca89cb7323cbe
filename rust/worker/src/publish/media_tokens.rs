//! Tokens that stand for images and videos.

/// The tokens of a model's prompts that stand for parts of an image and of a video: as many as it
/// has parts, one behind the other. `None`: the model has none.
///
/// A frontend routes requests with images by tokens in which those are replaced by what names the
/// image. With these ids, and the images of each block, the KV events say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaTokens {
    pub image_token_id: Option<u32>,
    pub video_token_id: Option<u32>,
}

impl MediaTokens {
    /// Says what no frontend could route by.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.image_token_id, self.video_token_id) {
            (Some(image), Some(video)) if image == video => Err(format!(
                "image_token_id and video_token_id are both {image}; accepted: two tokens, or None"
            )),
            _ => Ok(()),
        }
    }
}
