//! Instants as dates and times of day, in the proleptic Gregorian calendar.

use arrow::datatypes::{DataType, TimeUnit};
use mlops_core::{Error, Result};

const SECONDS_A_DAY: i64 = 86_400;

/// How the integers of a column count time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// So many units are `seconds` seconds.
    units: i64,
    seconds: i64,
    /// How far local time is ahead of UTC, in seconds.
    offset: i64,
}

impl Clock {
    pub(super) fn of(name: &str, data_type: &DataType) -> Result<Self> {
        let (units, seconds, zone) = match data_type {
            DataType::Date32 => (1, SECONDS_A_DAY, None),
            DataType::Date64 => (1_000, 1, None),
            DataType::Timestamp(TimeUnit::Second, zone) => (1, 1, zone.as_deref()),
            DataType::Timestamp(TimeUnit::Millisecond, zone) => (1_000, 1, zone.as_deref()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => (1_000_000, 1, zone.as_deref()),
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => (1_000_000_000, 1, zone.as_deref()),
            other => {
                return Err(Error::schema(format!(
                    "column '{name}' is {other}, but a date or timestamp is needed: let the source read it as one"
                )));
            }
        };
        let offset = zone.map_or(Some(0), offset_of).ok_or_else(|| {
            Error::unsupported(format!(
                "column '{name}' is in time zone '{}', and only UTC and fixed offsets such as '+01:00' are known here: \
                 convert the column to one of them in the source",
                zone.unwrap_or_default()
            ))
        })?;
        Ok(Self { units, seconds, offset })
    }

    /// The local date and time of `count` units since 1970.
    #[inline]
    pub(super) fn moment(self, count: i64) -> Moment {
        // In 128 bits no count overflows, and no year of an i64 of days does.
        let seconds = i128::from(count.div_euclid(self.units)) * i128::from(self.seconds) + i128::from(self.offset);
        let days = seconds.div_euclid(i128::from(SECONDS_A_DAY)) as i64;
        let second_of_day = seconds.rem_euclid(i128::from(SECONDS_A_DAY)) as i64;
        let (year, month, day) = civil(days);
        Moment { days, year, month, day, minute_of_day: second_of_day / 60 }
    }
}

/// The seconds that a zone is ahead of UTC, if it is always the same.
fn offset_of(zone: &str) -> Option<i64> {
    if matches!(zone, "UTC" | "Etc/UTC" | "GMT" | "Z") {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replacen(':', "", 1);
    if !(digits.len() == 2 || digits.len() == 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// A local date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    days: i64,
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) minute_of_day: i64,
}

impl Moment {
    /// Monday is 0.
    pub(super) fn weekday(self) -> i64 {
        // 1970 began on a Thursday.
        (self.days + 3).rem_euclid(7)
    }

    /// January 1st is 1.
    pub(super) fn day_of_year(self) -> i64 {
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][self.month as usize - 1];
        before + i64::from(is_leap && self.month > 2) + self.day
    }
}

/// Year, month and day of a number of days since 1970 (Hinnant, "chrono-compatible low-level date
/// algorithms", 2013): eras of 400 years, and years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_AN_ERA: i64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_AN_ERA);
    let day_of_era = days.rem_euclid(DAYS_AN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(data_type: &DataType, count: i64) -> (i64, i64, i64, i64) {
        let moment = Clock::of("t", data_type).unwrap().moment(count);
        (moment.year, moment.month, moment.day, moment.minute_of_day)
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let lengths = |leap| [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut days = -719_528; // 0000-01-01
        for year in 0..2_500i64 {
            let leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
            let mut day_of_year = 0;
            for (month, length) in (1..).zip(lengths(leap)) {
                for day in 1..=length {
                    day_of_year += 1;
                    let moment = Clock::of("t", &DataType::Date32).unwrap().moment(days);
                    assert_eq!((moment.year, moment.month, moment.day), (year, month, day));
                    assert_eq!(moment.day_of_year(), day_of_year);
                    assert_eq!(moment.weekday(), (days + 3).rem_euclid(7));
                    days += 1;
                }
            }
        }
        assert_eq!(Clock::of("t", &DataType::Date32).unwrap().moment(19_723).weekday(), 0, "2024-01-01 was a Monday");
    }

    #[test]
    fn units_and_offsets_count() {
        let zoned = |unit, zone: &str| DataType::Timestamp(unit, Some(zone.into()));
        let instant = 1_364_774_399; // 2013-03-31T23:59:59Z
        assert_eq!(moment(&zoned(TimeUnit::Second, "UTC"), instant), (2013, 3, 31, 1_439));
        assert_eq!(moment(&zoned(TimeUnit::Millisecond, "+05:30"), instant * 1_000), (2013, 4, 1, 329));
        assert_eq!(moment(&zoned(TimeUnit::Microsecond, "-0500"), instant * 1_000_000), (2013, 3, 31, 1_139));
        assert_eq!(moment(&DataType::Timestamp(TimeUnit::Nanosecond, None), -1), (1969, 12, 31, 1_439));
        assert_eq!(moment(&DataType::Timestamp(TimeUnit::Second, None), i64::MAX).0, 292_277_026_596);
        assert_eq!(moment(&DataType::Timestamp(TimeUnit::Second, None), i64::MIN).0, -292_277_022_657);
    }

    #[test]
    fn a_zone_without_a_fixed_offset_is_refused() {
        for zone in ["America/New_York", "+25:00", "+1", "+", "", "++01:00", "+0a:00", "é"] {
            let error = Clock::of("t", &DataType::Timestamp(TimeUnit::Second, Some(zone.into()))).unwrap_err();
            assert_eq!(error.kind(), mlops_core::ErrorKind::Unsupported, "{zone}");
        }
    }
}
