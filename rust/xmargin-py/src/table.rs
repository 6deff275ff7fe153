//! One Arrow table as columns of plain values.

use std::borrow::Cow;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{
    Array, BooleanArray, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array,
    PrimitiveArray, RecordBatch, StringArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use xmargin_core::Error;
use xmargin_core::num::U256;
use xmargin_core::venue::aave_v3::Release;

use crate::error::table_error;

const U256_BYTES: usize = 32;

/// A value that a column can hold.
pub trait Cell: Sized {
    /// The Arrow array of such values.
    type Column: Array + 'static;

    /// The Arrow type wanted, as messages name it.
    const TYPE: &'static str;

    /// The value at `row`, which is not null.
    fn value(column: &Self::Column, row: usize) -> Self;
}

macro_rules! cell {
    ($Cell:ty, $Column:ty, $type:literal, $read:expr) => {
        impl Cell for $Cell {
            type Column = $Column;
            const TYPE: &'static str = $type;

            fn value(column: &Self::Column, row: usize) -> Self {
                let read: fn(&$Column, usize) -> Self = $read;
                read(column, row)
            }
        }
    };
}

cell!(bool, BooleanArray, "bool", BooleanArray::value);
cell!(u8, UInt8Array, "uint8", UInt8Array::value);
cell!(u16, UInt16Array, "uint16", UInt16Array::value);
cell!(u32, UInt32Array, "uint32", UInt32Array::value);
cell!(u64, UInt64Array, "uint64", UInt64Array::value);
cell!(i32, Int32Array, "int32", Int32Array::value);
cell!(i64, Int64Array, "int64", Int64Array::value);
cell!(f64, Float64Array, "float64", Float64Array::value);
cell!(String, StringArray, "utf8", |column, row| column
    .value(row)
    .to_owned());
cell!(
    U256,
    FixedSizeBinaryArray,
    "fixed_size_binary[32]",
    |column, row| { U256::from_be_slice(column.value(row)) }
);

/// A table as it came in, chunk by chunk.
pub struct InputTable {
    name: &'static str,
    batches: Vec<RecordBatch>,
}

impl InputTable {
    /// Imports any object that exports Arrow record batches.
    pub fn import(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let table = object
            .extract::<AnyRecordBatch>()
            .map_err(Into::into)
            .and_then(AnyRecordBatch::into_table)
            .map_err(|fault| {
                table_error(name, format!("is no Arrow table: {}", PyErr::from(fault)))
            })?;
        let (mut batches, schema) = PyTable::into_inner(table);
        if batches.is_empty() {
            // Columns are looked for even where there is not one row.
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(Self { name, batches })
    }

    /// A column without nulls.
    pub fn column<T: Cell>(&self, column: &'static str) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        for batch in &self.batches {
            let array = self.typed::<T>(batch, column)?;
            if let Some(row) = first_null(array) {
                return Err(self.fault(column, Some(values.len() + row), "is null".to_owned()));
            }
            values.extend((0..array.len()).map(|row| T::value(array, row)));
        }
        Ok(values)
    }

    /// A column of names of Aave v3 releases.
    pub fn releases(&self, column: &'static str) -> Result<Vec<Release>, Error> {
        let names: Vec<String> = self.column(column)?;
        let read = |(row, name): (usize, &String)| {
            Release::named(name).ok_or_else(|| {
                let problem = format!("{name:?} is no release; there are 3.0 and 3.6");
                self.fault(column, Some(row), problem)
            })
        };
        names.iter().enumerate().map(read).collect()
    }

    /// A column of numbers without nulls, where it is: copied only if it came in several chunks.
    pub fn slice<P: ArrowPrimitiveType>(
        &self,
        column: &'static str,
    ) -> Result<Cow<'_, [P::Native]>, Error>
    where
        P::Native: Cell<Column = PrimitiveArray<P>>,
    {
        let [batch] = self.batches.as_slice() else {
            return self.column::<P::Native>(column).map(Cow::Owned);
        };
        let array = self.typed::<P::Native>(batch, column)?;
        match first_null(array) {
            None => Ok(Cow::Borrowed(array.values())),
            Some(row) => Err(self.fault(column, Some(row), "is null".to_owned())),
        }
    }

    /// A column that may hold nulls.
    pub fn nullable<T: Cell>(&self, column: &'static str) -> Result<Vec<Option<T>>, Error> {
        let mut values = Vec::new();
        for batch in &self.batches {
            let array = self.typed::<T>(batch, column)?;
            values.extend(
                (0..array.len()).map(|row| array.is_valid(row).then(|| T::value(array, row))),
            );
        }
        Ok(values)
    }

    fn typed<'a, T: Cell>(
        &self,
        batch: &'a RecordBatch,
        column: &'static str,
    ) -> Result<&'a T::Column, Error> {
        let schema = batch.schema_ref();
        let mut found = (0..batch.num_columns()).filter(|&at| schema.field(at).name() == column);
        let array = match (found.next(), found.next()) {
            (Some(at), None) => batch.column(at),
            (None, _) => {
                return Err(self.fault(
                    column,
                    None,
                    format!("is missing; it must be {}", T::TYPE),
                ));
            }
            (Some(_), Some(_)) => {
                return Err(self.fault(column, None, "is there twice; keep one".to_owned()));
            }
        };
        let typed = array.as_any().downcast_ref::<T::Column>();
        typed.filter(|_| has_width(array)).ok_or_else(|| {
            self.fault(
                column,
                None,
                format!("is {}; it must be {}", array.data_type(), T::TYPE),
            )
        })
    }

    fn fault(&self, column: &'static str, row: Option<usize>, problem: String) -> Error {
        Error::Input {
            table: self.name,
            column,
            row,
            problem,
        }
    }
}

fn first_null(array: &dyn Array) -> Option<usize> {
    (array.null_count() > 0).then(|| (0..array.len()).find(|&row| array.is_null(row)))?
}

/// Whether an array of fixed-size values holds 256-bit ones.
fn has_width(array: &dyn Array) -> bool {
    array
        .as_any()
        .downcast_ref::<FixedSizeBinaryArray>()
        .is_none_or(|array| usize::try_from(array.value_length()) == Ok(U256_BYTES))
}
