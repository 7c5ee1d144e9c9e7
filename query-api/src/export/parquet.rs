//! Parquet, a row group at a time; every column may be empty. Plain pages: what is exported is small.

use std::sync::Arc;

use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

use super::{
    cells::{Cell, Column, Kind},
    formats::ExportError,
};

/// A file that is being written.
pub struct ParquetFile {
    columns: &'static [Column],
    writer: SerializedFileWriter<Vec<u8>>,
}

impl ParquetFile {
    /// A file of these columns, without rows.
    pub fn begin(columns: &'static [Column]) -> Result<Self, ExportError> {
        let mut fields = Vec::with_capacity(columns.len());
        for Column { name, kind } in columns {
            let (physical, logical) = match kind {
                Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Whole => (Physical::INT64, None),
                Kind::Real => (Physical::DOUBLE, None),
                Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
                Kind::Flag => (Physical::BOOLEAN, None),
            };
            let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
            fields.push(Arc::new(field.with_logical_type(logical).build()?));
        }
        let schema = Type::group_type_builder("table").with_fields(fields).build()?;
        let properties = WriterProperties::builder().set_created_by("venuecode".to_owned()).build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
        Ok(Self { columns, writer })
    }

    /// Its columns.
    pub const fn columns(&self) -> &'static [Column] {
        self.columns
    }

    /// A row group of these rows.
    pub fn rows(&mut self, rows: &[Vec<Cell<'_>>]) -> Result<Vec<u8>, ExportError> {
        let mut group = self.writer.next_row_group()?;
        let mut number = 0;
        while let Some(mut column) = group.next_column()? {
            write(column.untyped(), self.columns[number].name, rows.iter().map(|cells| &cells[number]))?;
            column.close()?;
            number += 1;
        }
        group.close()?;
        self.writer.flush().map_err(parquet::errors::ParquetError::from)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// The footer.
    pub fn end(mut self) -> Result<Vec<u8>, ExportError> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

fn write<'a>(
    writer: &mut ColumnWriter<'_>,
    name: &'static str,
    cells: impl Iterator<Item = &'a Cell<'a>> + Clone,
) -> Result<(), ExportError> {
    let levels: Vec<i16> = cells.clone().map(|cell| i16::from(*cell != Cell::Empty)).collect();
    let levels = Some(&levels[..]);
    let there = cells.filter(|cell| **cell != Cell::Empty);
    match writer {
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let text = |cell: &Cell<'_>| match cell {
                Cell::Text(text) => Ok(ByteArray::from(text.as_bytes().to_vec())),
                _ => Err(ExportError::Kind(name)),
            };
            writer.write_batch(&there.map(text).collect::<Result<Vec<_>, _>>()?, levels, None)?
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let number = |cell: &Cell<'_>| match cell {
                Cell::Whole(number) => Ok(*number),
                Cell::Time(time) => Ok(time.timestamp_millis()),
                _ => Err(ExportError::Kind(name)),
            };
            writer.write_batch(&there.map(number).collect::<Result<Vec<_>, _>>()?, levels, None)?
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let number = |cell: &Cell<'_>| match cell {
                Cell::Real(number) => Ok(*number),
                _ => Err(ExportError::Kind(name)),
            };
            writer.write_batch(&there.map(number).collect::<Result<Vec<_>, _>>()?, levels, None)?
        }
        ColumnWriter::BoolColumnWriter(writer) => {
            let flag = |cell: &Cell<'_>| match cell {
                Cell::Flag(flag) => Ok(*flag),
                _ => Err(ExportError::Kind(name)),
            };
            writer.write_batch(&there.map(flag).collect::<Result<Vec<_>, _>>()?, levels, None)?
        }
        _ => return Err(ExportError::Kind(name)),
    };
    Ok(())
}
