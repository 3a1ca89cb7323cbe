//! The page about the interface shows the engine that the crate's documentation compiles.

#[test]
fn the_page_shows_the_engine_that_is_compiled() {
    let documentation = include_str!("../src/lib.rs");
    let example: String = documentation
        .lines()
        .skip_while(|line| *line != "//! ```")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.strip_prefix("//! ").unwrap_or_default()))
        .collect();
    assert!(example.contains("impl Engine for Echo"), "{example}");
    let page = include_str!("../../../docs/engine-abi.md");
    assert!(page.contains(&format!("```rust\n{example}```\n")), "{example}");
}
