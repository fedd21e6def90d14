//! Texts by their places in a dictionary.

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Int32Type};

use super::index::Column;

/// A column of texts as a dictionary, of which each text that occurs is looked at once.
pub(super) struct Coded {
    places: Int32Array,
    texts: StringArray,
}

impl Coded {
    /// The column, if it is a dictionary of this kind.
    pub(super) fn of(column: &ArrayRef) -> Option<Self> {
        let DataType::Dictionary(key, value) = column.data_type() else { return None };
        if **key != DataType::Int32 || **value != DataType::Utf8 {
            return None;
        }
        let column = column.as_dictionary::<Int32Type>();
        Some(Self { places: column.keys().clone(), texts: column.values().as_string().clone() })
    }

    /// Whether its texts are so few that most rows have the text of another.
    pub(super) fn is_short(&self) -> bool {
        self.texts.len() <= self.places.len() / 2
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let place = self.places.is_valid(row).then(|| self.places.value(row) as usize)?;
        self.texts.is_valid(place).then(|| self.texts.value(place))
    }

    /// The number of each row's text, and `null` for none; `number_of` is asked once for each text that
    /// occurs, in order of first occurrence.
    pub(super) fn numbers(&self, null: usize, mut number_of: impl FnMut(&str) -> usize) -> Vec<usize> {
        let mut numbers: Vec<Option<usize>> = vec![None; self.texts.len()];
        let mut number = |place: i32| {
            let place = place as usize;
            *numbers[place].get_or_insert_with(|| {
                if self.texts.is_valid(place) { number_of(self.texts.value(place)) } else { null }
            })
        };
        match self.places.null_count() {
            0 => self.places.values().iter().map(|place| number(*place)).collect(),
            _ => self.places.iter().map(|place| place.map_or(null, &mut number)).collect(),
        }
    }
}

impl Column for Coded {
    fn rows(&self) -> usize {
        self.places.len()
    }

    #[inline]
    fn text(&self, row: usize) -> Option<&str> {
        self.get(row)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::DictionaryArray;

    use super::super::index::Texts;
    use super::*;

    #[test]
    fn the_numbers_are_those_of_plain_texts() {
        // The dictionary holds a text twice, one that no row has, and a null.
        let texts = StringArray::from(vec![Some("b"), Some("a"), None, Some("unused"), Some("b")]);
        let places =
            Int32Array::from(vec![Some(1), None, Some(4), Some(2), Some(0), Some(1), Some(1), None, Some(0), Some(0)]);
        let column: ArrayRef = Arc::new(DictionaryArray::new(places, Arc::new(texts)));
        for (column, short) in [(column.slice(0, 10), true), (column.slice(2, 5), false)] {
            let coded = Coded::of(&column).unwrap();
            let plain = arrow::compute::cast(&column, &DataType::Utf8).unwrap();
            let plain = plain.as_string::<i32>();
            assert_eq!(coded.is_short(), short);
            let mut known = [Texts::default(), Texts::default(), Texts::default()];
            let expected = known[0].intern_all(plain, 99);
            assert_eq!(known[1].intern_all(&coded, 99), expected);
            assert_eq!(coded.numbers(99, |text| known[2].intern(text)), expected);
            assert_eq!(known[2].iter().collect::<Vec<_>>(), known[0].iter().collect::<Vec<_>>());
            assert_eq!(known[0].find_all(&coded, 99, 7), expected);
        }
    }

    #[test]
    fn other_columns_are_not_coded() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let narrow: ArrayRef = Arc::new(["a"].into_iter().collect::<DictionaryArray<arrow::datatypes::Int8Type>>());
        assert!(Coded::of(&plain).is_none() && Coded::of(&narrow).is_none());
    }
}
