//! What is wrong with a scenario: where, what is allowed, and how to mend it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

/// A text that values come from: a file, or one `--set`.
pub(super) type Source = Arc<NamedSource<String>>;

/// A piece of a [`Source`].
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) source: Source,
    pub(super) span: Range<usize>,
}

/// One thing that is wrong, with its place where it has one.
#[derive(Clone, Debug)]
pub struct Problem {
    message: String,
    label: String,
    help: String,
    place: Option<Place>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { message: message.into(), label: "here".into(), help: help.into(), place: None }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn at(mut self, source: &Source, span: Range<usize>) -> Self {
        self.place = Some(Place { source: source.clone(), span });
        self
    }

    pub(super) fn at_place(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// Where it is, as `file:line:column`, both from 1; `None` if it is in no text, as with a missing file.
    pub fn place(&self) -> Option<String> {
        let place = self.place.as_ref()?;
        let span = SourceSpan::from(place.span.clone());
        let contents = place.source.read_span(&span, 0, 0).ok()?;
        Some(format!("{}:{}:{}", place.source.name(), contents.line() + 1, contents.column() + 1))
    }

    fn offset(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.span.start)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &*place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let label = LabeledSpan::new_primary_with_span(Some(self.label.clone()), place.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// A scenario that cannot be run: one or more [`Problem`]s, in the order of the text.
///
/// It is a [`miette::Diagnostic`]: the first problem is the error itself, the others are related to it.
/// A scenario or preset that cannot be read is a problem like any other.
#[derive(Clone, Debug)]
pub struct ScenarioError {
    first: Box<Problem>,
    others: Vec<Problem>,
}

impl ScenarioError {
    /// Everything that is wrong.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&*self.first).chain(&self.others)
    }

    /// `Ok` if nothing is wrong.
    pub(super) fn check(mut problems: Vec<Problem>) -> Result<(), ScenarioError> {
        problems.sort_by_key(Problem::offset);
        let mut problems = problems.into_iter();
        match problems.next() {
            None => Ok(()),
            Some(first) => Err(ScenarioError { first: Box::new(first), others: problems.collect() }),
        }
    }
}

impl From<Problem> for ScenarioError {
    fn from(problem: Problem) -> Self {
        ScenarioError { first: Box::new(problem), others: Vec::new() }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.first.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.first.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.first.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.others.is_empty() {
            return None;
        }
        Some(Box::new(self.others.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// The word of `known` that `word` is most likely a misspelling of.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}
