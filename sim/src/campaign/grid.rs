//! The grid: which keys vary, and which combinations of their values are points.

use core::fmt;

/// A key of the scenario that varies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Axis {
    /// The key's dotted path.
    pub key: String,
    /// Its values as they would be written behind `--set key=`.
    pub values: Vec<String>,
}

/// Most values of one axis, and most points of a grid: more is a slip of the pen.
const MOST: usize = 100_000;

impl Axis {
    /// Reads `key=a,b,c` or `key=1..8` (both ends included); both forms can be mixed.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Axis, String> {
        let Some((key, values)) = text.split_once('=') else {
            return Err(format!("`{text}` has no values: write KEY=A,B,C or KEY=1..8"));
        };
        let (key, mut all) = (key.trim(), Vec::new());
        if key.is_empty() {
            return Err(format!("`{text}` has no key before the `=`: write KEY=A,B,C or KEY=1..8"));
        }
        for value in split(values) {
            let value = value.trim();
            match range(value).transpose()? {
                Some((first, last)) => all.extend((first..=last).map(|number| number.to_string())),
                None if value.is_empty() => {
                    return Err(format!("`{text}` has an empty value: write KEY=A,B,C or KEY=1..8"));
                }
                None => all.push(value.to_owned()),
            }
        }
        if let Some(twice) = all.iter().enumerate().find(|(place, value)| all[..*place].contains(value)) {
            return Err(format!("`{text}` has the value {} twice", twice.1));
        }
        Ok(Axis { key: key.to_owned(), values: all })
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.values.join(","))
    }
}

/// Splits at the commas that are in no bracket and no quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0i32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `1..8` as its ends; `None`: it is no range.
fn range(text: &str) -> Option<Result<(u64, u64), String>> {
    let (first, last) = text.split_once("..")?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = (number(first)?, number(last)?);
    let count = last.checked_sub(first).map_or(0, |more| more.saturating_add(1));
    Some(match count {
        0 => Err(format!("the range {text} runs backwards: write {last}..{first}")),
        _ if count > MOST as u64 => {
            Err(format!("the range {text} has {count} values; at most {MOST} are possible"))
        }
        _ => Ok((first, last)),
    })
}

/// The axes and how they are combined.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Grid {
    /// The keys that vary, the first one slowest.
    pub axes: Vec<Axis>,
    /// In lockstep: the first values of all axes together, then the second ones.
    pub zip: bool,
    /// Points that agree with one of these in all its keys are left out.
    pub without: Vec<Vec<(String, String)>>,
}

impl Grid {
    /// Reads the axes (see [`Axis::parse`]) and the points that are left out (`key=value,key=value`).
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(vary: &[String], zip: bool, without: &[String]) -> Result<Grid, String> {
        let axes = vary.iter().map(|text| Axis::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if let Some((_, axis)) = axes
            .iter()
            .enumerate()
            .find(|(place, axis)| axes[..*place].iter().any(|other| other.key == axis.key))
        {
            return Err(format!("`{}` varies twice: give all its values at once", axis.key));
        }
        if axes.iter().any(|axis| axis.key == "seed") {
            return Err("`seed` cannot vary: every point has the seeds S, S+1, … of its replications; give --replications, and \
                        --seed for S"
                .into());
        }
        if let (true, Some(first)) = (zip, axes.first())
            && let Some(other) = axes.iter().find(|axis| axis.values.len() != first.values.len())
        {
            return Err(format!(
                "in lockstep all keys have equally many values, but `{}` has {} and `{}` has {}",
                first.key,
                first.values.len(),
                other.key,
                other.values.len()
            ));
        }
        let without = without.iter().map(|text| exclusion(text, &axes)).collect::<Result<Vec<_>, _>>()?;
        Ok(Grid { axes, zip, without })
    }

    /// The keys that vary.
    pub fn keys(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.key.clone()).collect()
    }

    /// The points that are left out, as [`Grid::parse`] reads them.
    pub fn exclusions(&self) -> Vec<String> {
        let pair = |(key, value): &(String, String)| format!("{key}={value}");
        self.without.iter().map(|one| one.iter().map(pair).collect::<Vec<_>>().join(",")).collect()
    }

    /// The values of all axes at each point, in order. Without axes there is one point.
    ///
    /// # Errors
    /// If there are too many, or none is left.
    pub fn points(&self) -> Result<Vec<Vec<String>>, String> {
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        let count = if self.zip {
            self.axes.first().map_or(1, |axis| axis.values.len())
        } else {
            lengths
                .clone()
                .try_fold(1usize, |product, length| product.checked_mul(length))
                .unwrap_or(usize::MAX)
        };
        if count > MOST {
            return Err(format!("the grid has more than {MOST} points: give fewer values"));
        }
        let values_at = |point: usize| -> Vec<String> {
            let mut rest = point;
            let mut places: Vec<usize> = lengths
                .clone()
                .rev()
                .map(|length| {
                    let place = rest % length;
                    rest /= length;
                    place
                })
                .collect();
            places.reverse();
            let place_of = |axis: usize| if self.zip { point } else { places[axis] };
            self.axes.iter().enumerate().map(|(i, axis)| axis.values[place_of(i)].clone()).collect()
        };
        let points: Vec<_> = (0..count).map(values_at).filter(|values| !self.leaves_out(values)).collect();
        if points.is_empty() {
            return Err("no point is left: every one of them is left out".into());
        }
        Ok(points)
    }

    fn leaves_out(&self, values: &[String]) -> bool {
        let says = |(key, value): &(String, String)| {
            self.axes.iter().zip(values).any(|(axis, there)| axis.key == *key && there == value)
        };
        self.without.iter().any(|exclusion| exclusion.iter().all(says))
    }

    /// The point at which the axes have these values (`key=value,key=value`), from 1.
    ///
    /// # Errors
    /// If that names no single point.
    pub fn point_named(&self, text: &str) -> Result<u32, String> {
        let named = exclusion(text, &self.axes)?;
        let agrees = |values: &Vec<String>| {
            named.iter().all(|(key, value)| {
                self.axes.iter().zip(values).any(|(axis, there)| axis.key == *key && there == value)
            })
        };
        let points = self.points()?;
        let mut found = points.iter().enumerate().filter(|(_, values)| agrees(values));
        match (found.next(), found.next()) {
            (Some((place, _)), None) => Ok(place as u32 + 1),
            (None, _) => Err(format!("no point has {text}")),
            (Some(_), Some(_)) => {
                Err(format!("several points have {text}: give a value for each key that varies"))
            }
        }
    }
}

/// `key=value,key=value`, with keys that vary and values that they have.
fn exclusion(text: &str, axes: &[Axis]) -> Result<Vec<(String, String)>, String> {
    let one = |part: &&str| {
        let (key, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` is no KEY=VALUE, as in server.cores=1"))?;
        let (key, value) = (key.trim(), value.trim());
        let axis = axes.iter().find(|axis| axis.key == key).ok_or_else(|| {
            let keys: Vec<_> = axes.iter().map(|axis| axis.key.as_str()).collect();
            format!("`{key}` does not vary; what varies is: {}", keys.join(", "))
        })?;
        if !axis.values.iter().any(|known| known == value) {
            return Err(format!("`{key}` is never {value}; its values are: {}", axis.values.join(", ")));
        }
        Ok((key.to_owned(), value.to_owned()))
    };
    split(text).iter().map(one).collect()
}
