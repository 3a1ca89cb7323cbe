//! What a client speaks through.

pub trait Storage: Send + Sync {}

pub struct DefaultStorage;

impl Storage for DefaultStorage {}
