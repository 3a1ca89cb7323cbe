//! What is listed, and how it is asked for.

pub struct ListObjectsRequest;

impl ListObjectsRequest {
    #[expect(clippy::new_without_default, reason = "the crate it stands for is asked by `new` alone")]
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    #[must_use]
    pub fn set_parent(self, _parent: String) -> Self {
        self
    }

    #[must_use]
    pub fn set_prefix(self, _prefix: String) -> Self {
        self
    }

    #[must_use]
    pub fn set_page_size(self, _size: i32) -> Self {
        self
    }

    #[must_use]
    pub fn set_page_token(self, _token: String) -> Self {
        self
    }
}

pub struct ListObjectsResponse {
    pub objects: Vec<Object>,
    pub next_page_token: String,
}

pub struct Object {
    pub name: String,
    pub size: i64,
    pub generation: i64,
    pub checksums: Option<ObjectChecksums>,
}

pub struct ObjectChecksums {
    pub crc32c: Option<u32>,
}
