//! What an engine made for one request in one turn: small until it is read.

use crate::queue::Join;

/// A chunk as its maker hands it over. What is generic is only carried: why it is the last (`F`), the
/// usage of its request (`U`), and what seldom comes (`R`).
pub struct Chunk<F, U, R> {
    /// Its tokens.
    pub token_ids: Tokens,
    /// The number of its choice.
    pub index: Option<u32>,
    /// Why it is the last one.
    pub finish_reason: Option<F>,
    /// The natural logarithm of each token's probability.
    pub log_probs: Option<Vec<f64>>,
    /// The sum of these, from the first token on.
    pub cum_log_probs: Option<f64>,
    /// What its request used.
    pub usage: Option<Box<U>>,
    /// Whatever else it has.
    pub rare: Option<Box<R>>,
}

impl<F, U, R> Default for Chunk<F, U, R> {
    fn default() -> Self {
        Self {
            token_ids: Tokens::default(),
            index: None,
            finish_reason: None,
            log_probs: None,
            cum_log_probs: None,
            usage: None,
            rare: None,
        }
    }
}

/// The tokens of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// The usual chunk's; needs no allocation.
    One(u32),
    /// Any number of them.
    Many(Vec<u32>),
}

impl Tokens {
    /// As a list.
    pub fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(token) => vec![token],
            Self::Many(tokens) => tokens,
        }
    }

    fn extend(&mut self, next: Self) {
        if let Self::One(token) = self {
            *self = Self::Many(vec![*token]);
        }
        if let Self::Many(tokens) = self {
            match next {
                Self::One(token) => tokens.push(token),
                Self::Many(next) => tokens.extend(next),
            }
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<F, U, R> Chunk<F, U, R> {
    /// One with tokens and nothing else.
    pub fn of_tokens(token_ids: Tokens) -> Self {
        Self {
            token_ids,
            ..Self::default()
        }
    }

    /// Whether its stream ends with it.
    pub fn is_terminal(&self) -> bool {
        self.finish_reason.is_some()
    }

    fn has_tokens_alone(&self) -> bool {
        let Self {
            token_ids: _,
            index: None,
            finish_reason: None,
            log_probs: None,
            cum_log_probs: None,
            usage: None,
            rare: None,
        } = self
        else {
            return false;
        };
        true
    }
}

impl<F, U, R> Join for Chunk<F, U, R> {
    /// Appends the tokens of `next`, unless it has, or this has, anything else.
    fn join(&mut self, next: Self) -> Result<(), Self> {
        if !self.has_tokens_alone() || !next.has_tokens_alone() {
            return Err(next);
        }
        self.token_ids.extend(next.token_ids);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Plain = Chunk<&'static str, (), ()>;

    fn of(tokens: &[u32]) -> Plain {
        match tokens {
            [one] => Chunk::of_tokens(Tokens::One(*one)),
            many => Chunk::of_tokens(Tokens::Many(many.to_vec())),
        }
    }

    #[test]
    fn tokens_follow_one_another_in_whatever_form_they_come() {
        for (first, second) in [(1, 1), (1, 2), (2, 1), (0, 1), (2, 2)] {
            let tokens: Vec<u32> = (0..first + second).collect();
            let (before, behind) = tokens.split_at(first as usize);
            let mut chunk = of(before);
            assert!(chunk.join(of(behind)).is_ok());
            assert_eq!(chunk.token_ids.into_vec(), tokens);
        }
    }

    #[test]
    fn what_has_more_than_tokens_is_joined_with_nothing() {
        let rows: [fn(&mut Plain); 6] = [
            |chunk| chunk.index = Some(0),
            |chunk| chunk.finish_reason = Some("stop"),
            |chunk| chunk.log_probs = Some(Vec::new()),
            |chunk| chunk.cum_log_probs = Some(0.0),
            |chunk| chunk.usage = Some(Box::default()),
            |chunk| chunk.rare = Some(Box::default()),
        ];
        for set in rows {
            let mut more = of(&[1]);
            set(&mut more);
            assert!(more.join(of(&[2])).is_err());
            let mut plain = of(&[2]);
            assert!(plain.join(more).is_err());
            assert_eq!(plain.token_ids, Tokens::One(2));
        }
    }
}
