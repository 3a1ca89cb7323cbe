//! Clients, which cannot be made, and their calls, which therefore cannot happen.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::model::{ListObjectsRequest, ListObjectsResponse};
use crate::model_ext::ReadRange;
use crate::stub::DefaultStorage;
use crate::{NotBuilt, Result};

pub struct Storage<S = DefaultStorage> {
    never: Infallible,
    stub: PhantomData<S>,
}

impl Storage {
    #[must_use]
    pub fn builder() -> Builder<Self> {
        Builder(PhantomData)
    }
}

impl<S> Storage<S> {
    pub fn read_object(&self, _bucket: String, _object: String) -> ReadObject {
        match self.never {}
    }
}

pub struct StorageControl(Infallible);

impl StorageControl {
    #[must_use]
    pub fn builder() -> Builder<Self> {
        Builder(PhantomData)
    }

    pub fn list_objects(&self) -> ListObjects {
        match self.0 {}
    }
}

pub struct Builder<Client>(PhantomData<fn() -> Client>);

impl<Client> Builder<Client> {
    /// # Errors
    /// Always.
    pub async fn build(self) -> Result<Client> {
        Err(NotBuilt)
    }
}

pub struct ReadObject(Infallible);

impl ReadObject {
    #[must_use]
    pub fn set_read_range(self, _range: ReadRange) -> Self {
        match self.0 {}
    }

    #[must_use]
    pub fn set_generation(self, _generation: i64) -> Self {
        match self.0 {}
    }

    /// # Errors
    /// Never: there is none to call it on.
    pub async fn send(self) -> Result<ReadObjectResponse> {
        match self.0 {}
    }
}

pub struct ReadObjectResponse(Infallible);

impl ReadObjectResponse {
    pub async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        match self.0 {}
    }
}

pub struct ListObjects(Infallible);

impl ListObjects {
    #[must_use]
    pub fn with_request(self, _request: ListObjectsRequest) -> Self {
        match self.0 {}
    }

    /// # Errors
    /// Never: there is none to call it on.
    pub async fn send(self) -> Result<ListObjectsResponse> {
        match self.0 {}
    }
}
