//! Ticks and their square root prices, to the bit.
//!
//! Source: Uniswap/v3-core 1.0.1, `TickMath.sol`: √1.0001ᵗ × 2⁹⁶ from the binary digits of |t|, in 128
//! fractional bits, rounded up at the end.

use crate::Error;
use crate::num::U256;

/// The lowest tick of any pool.
pub const TICK_MIN: i32 = -887_272;
/// The highest.
pub const TICK_MAX: i32 = 887_272;
/// The square root price at [`TICK_MIN`].
pub const SQRT_RATIO_MIN: U256 = U256::from_limbs([4_295_128_739, 0, 0, 0]);
/// The square root price at [`TICK_MAX`].
pub const SQRT_RATIO_MAX: U256 =
    U256::from_limbs([0x5d95_1d52_6398_8d26, 0xefd1_fc6a_5064_8849, 0xfffd_8963, 0]);

/// √1.0001⁻²ⁿ in 128 fractional bits, for each binary digit n.
const ROOTS: [u128; 20] = [
    0xfffc_b933_bd6f_ad37_aa2d_162d_1a59_4001,
    0xfff9_7272_373d_4132_59a4_6990_580e_213a,
    0xfff2_e50f_5f65_6932_ef12_357c_f3c7_fdcc,
    0xffe5_caca_7e10_e4e6_1c36_24ea_a094_1cd0,
    0xffcb_9843_d60f_6159_c9db_5883_5c92_6644,
    0xff97_3b41_fa98_c081_472e_6896_dfb2_54c0,
    0xff2e_a164_66c9_6a38_43ec_78b3_26b5_2861,
    0xfe5d_ee04_6a99_a2a8_11c4_61f1_969c_3053,
    0xfcbe_86c7_900a_88ae_dcff_c83b_479a_a3a4,
    0xf987_a725_3ac4_1317_6f2b_074c_f781_5e54,
    0xf339_2b08_22b7_0005_940c_7a39_8e4b_70f3,
    0xe715_9475_a2c2_9b74_43b2_9c7f_a6e8_89d9,
    0xd097_f3bd_fd20_22b8_845a_d8f7_92aa_5825,
    0xa9f7_4646_2d87_0fdf_8a65_dc1f_90e0_61e5,
    0x70d8_69a1_56d2_a1b8_90bb_3df6_2baf_32f7,
    0x31be_135f_97d0_8fd9_8123_1505_542f_cfa6,
    0x09aa_508b_5b7a_84e1_c677_de54_f3e9_9bc9,
    0x005d_6af8_dedb_8119_6699_c329_225e_e604,
    0x0000_2216_e584_f5fa_1ea9_2604_1bed_fe98,
    0x0000_0000_048a_1703_91f7_dc42_444e_8fa2,
];

/// `getSqrtRatioAtTick`.
///
/// # Errors
/// [`Error::Refused`] where no tick is so far out.
pub fn sqrt_ratio_at(tick: i32) -> Result<U256, Error> {
    let distance = tick.unsigned_abs();
    if distance > TICK_MAX.unsigned_abs() {
        return Err(Error::refused("a tick is beyond 887272"));
    }
    let one = U256::ONE << 128;
    let mut ratio = one;
    for (digit, root) in ROOTS.iter().enumerate() {
        if distance >> digit & 1 == 1 {
            // At most 128 bits times 128 bits.
            ratio = (ratio * U256::from(*root)) >> 128;
        }
    }
    if tick > 0 {
        ratio = U256::MAX / ratio;
    }
    let down = ratio >> 32;
    let is_whole = down << 32 == ratio;
    Ok(if is_whole { down } else { down + U256::ONE })
}

/// `getTickAtSqrtRatio`: the highest tick whose price is not above.
///
/// # Errors
/// [`Error::Refused`] where no pool can have the price.
pub fn tick_at(sqrt_ratio: U256) -> Result<i32, Error> {
    if !(SQRT_RATIO_MIN..SQRT_RATIO_MAX).contains(&sqrt_ratio) {
        return Err(Error::refused("no pool can have such a price"));
    }
    let (mut low, mut high) = (TICK_MIN, TICK_MAX);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if sqrt_ratio_at(middle)? <= sqrt_ratio {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_are_the_published_ones() -> Result<(), Error> {
        assert_eq!(sqrt_ratio_at(TICK_MIN)?, SQRT_RATIO_MIN);
        assert_eq!(sqrt_ratio_at(TICK_MAX)?, SQRT_RATIO_MAX);
        assert_eq!(sqrt_ratio_at(0)?, U256::ONE << 96);
        assert!(sqrt_ratio_at(TICK_MAX + 1).is_err());
        assert!(tick_at(SQRT_RATIO_MIN - U256::ONE).is_err());
        assert!(tick_at(SQRT_RATIO_MAX).is_err());
        Ok(())
    }

    proptest! {
        #[test]
        fn a_price_lies_between_its_tick_and_the_next(tick in TICK_MIN..TICK_MAX) {
            let (low, next) = (sqrt_ratio_at(tick)?, sqrt_ratio_at(tick + 1)?);
            prop_assert!(low < next);
            prop_assert_eq!(tick_at(low)?, tick);
            prop_assert_eq!(tick_at(next - U256::ONE)?, tick);
        }
    }
}
