//! Whatever the amounts: a proposal or an error, and never a panic.

use proptest::prelude::*;
use xmargin_core::liquidation::venue::{
    aave_v3, aave_v4, absorb_loss, derive, drift, dydx_v4, euler, propose_liquidation,
};
use xmargin_core::num::U256;
use xmargin_core::venue::aave_v3::{EMode, ReserveRisk};

/// Every magnitude as likely as the next.
fn unsigned() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0_usize..=256).prop_map(|(limbs, shift)| {
        U256::from_limbs(limbs)
            .checked_shr(shift)
            .unwrap_or_default()
    })
}

fn signed() -> impl Strategy<Value = i128> {
    (any::<i128>(), 0_u32..=127).prop_map(|(value, shift)| value >> shift)
}

fn amounts<const N: usize>() -> impl Strategy<Value = [U256; N]> {
    proptest::collection::vec(unsigned(), N).prop_map(|list| std::array::from_fn(|at| list[at]))
}

fn integers<const N: usize>() -> impl Strategy<Value = [i128; N]> {
    proptest::collection::vec(signed(), N).prop_map(|list| std::array::from_fn(|at| list[at]))
}

fn reserve() -> impl Strategy<Value = aave_v3::Reserve> {
    (
        amounts::<6>(),
        any::<[u16; 4]>(),
        any::<[u8; 2]>(),
        any::<[bool; 3]>(),
    )
        .prop_map(|(amounts, ratios, bytes, flags)| aave_v3::Reserve {
            risk: ReserveRisk {
                ltv_bps: ratios[0],
                liquidation_threshold_bps: ratios[1],
                emode: bytes[0] % 2,
                emode_lends_nothing: bytes[0] % 4 > 1,
                decimals: bytes[1],
                price_base: amounts[0],
            },
            bonus_bps: ratios[2],
            protocol_fee_bps: ratios[3],
            supply_scaled: amounts[1],
            supply_index: amounts[2],
            debt_scaled: amounts[3],
            debt_index: amounts[4],
            stable_debt: amounts[5],
            as_collateral: flags[0],
            borrowing: flags[1],
            halted: flags[2],
        })
}

proptest! {
    #[test]
    fn aave_v3(
        reserves in proptest::collection::vec(reserve(), 0..4), is_new: bool, ratios: [u16; 2],
        price_base in unsigned(), in_emode: bool, call in (0_usize..4, 0_usize..4, unsigned()),
    ) {
        let emode = EMode {
            category: 1, ltv_bps: 0, liquidation_threshold_bps: ratios[0], price_base,
        };
        let account = aave_v3::Account {
            release: if is_new { aave_v3::Release::V3_6 } else { aave_v3::Release::V3_0 },
            reserves,
            emode: in_emode.then_some((emode, ratios[1])),
        };
        let (collateral, debt, debt_to_cover) = call;
        let call = aave_v3::Call { collateral, debt, debt_to_cover };
        let _ = (aave_v3::propose(&account), aave_v3::propose_call(&account, &call));
    }

    #[test]
    fn aave_v4(values in amounts::<13>(), decimals: [u8; 2], has_other_collateral: bool) {
        let side = |at: usize, decimals| aave_v4::Side {
            amount: values[at], decimals, price_base: values[at + 1],
        };
        let _ = aave_v4::propose(&aave_v4::Account {
            collateral: side(0, decimals[0]),
            debt: side(2, decimals[1]),
            other_weighted: values[4],
            other_debt_base: values[5],
            has_other_collateral,
            factor_bps: values[6],
            bonus_max_bps: values[7],
            fee_bps: values[8],
            target_wad: values[9],
            bonus_max_health_wad: values[10],
            bonus_factor_bps: values[11],
            debt_to_cover: values[12],
        });
    }

    #[test]
    fn euler(values in amounts::<8>(), wishes: bool) {
        let _ = euler::propose(&euler::Account {
            liability: values[0],
            liability_value: values[1],
            adjusted_value: values[2],
            collateral: values[3],
            collateral_value: values[4],
            ltv_bps: values[5],
            discount_max_bps: values[6],
            desired_repay: wishes.then_some(values[7]),
        });
    }

    #[test]
    fn derive(values in integers::<11>(), wishes: bool) {
        let _ = derive::propose(&derive::Account {
            mark: values[0],
            maintenance: values[1],
            reserved: values[2],
            elapsed_s: values[3],
            auction: derive::Auction {
                start: values[4], cutoff: values[5], fast_s: values[6], slow_s: values[7],
                insolvent_s: values[8], buffer: values[9],
            },
            share: wishes.then_some(values[10]),
        });
    }

    #[test]
    fn dydx_v4(
        values in integers::<4>(), rows in proptest::collection::vec(integers::<4>(), 0..4),
        exponent: i32, size in signed(), chooses: bool,
    ) {
        let position = |row: [i128; 4]| dydx_v4::Position {
            quantums: row[0], price: row[1], exponent: exponent % 64,
            initial_margin_ppm: row[2], maintenance_fraction_ppm: row[3],
        };
        let account = dydx_v4::Account {
            quote: values[0],
            positions: rows.into_iter().map(position).collect(),
            bankruptcy_adjustment_ppm: values[1],
            spread_to_maintenance_ppm: values[2],
            fee_max_ppm: values[3],
        };
        let _ = dydx_v4::propose(&account, chooses.then_some((0, size)));
    }

    #[test]
    fn drift(
        values in integers::<7>(), rows in proptest::collection::vec(integers::<7>(), 0..4),
        size in signed(), chooses: bool,
    ) {
        let position = |row: [i128; 7]| drift::Position {
            base: row[0], price: row[1], maintenance_ratio: row[2], size_factor: row[3],
            liquidator_fee: row[4], fund_fee_max: row[5], step: row[6],
        };
        let account = drift::Account {
            cash: values[0],
            quote_price: values[1],
            positions: rows.into_iter().map(position).collect(),
            buffer_ratio: values[2],
            initial_share: values[3],
            duration_slots: values[4],
            elapsed_slots: values[5],
            margin_freed: values[6],
        };
        let _ = drift::propose(&account, chooses.then_some((0, size)));
    }

    #[test]
    fn documents(text in r#"(\{"rule": ?"(euler|drift|aave_v3)"(, ?"[a-z_]{1,9}": ?("-?[0-9]{0,90}"|true|\[\]|\{\}))*\})|.{0,40}"#) {
        prop_assert!(propose_liquidation(&text).is_err());
        prop_assert!(absorb_loss(&text).is_err());
    }
}
