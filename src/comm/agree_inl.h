// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace lockstep {

// Note [who makes an Agreed value]: its constructor is private and this is its only friend, so that a value
// which did not come out of an agree_ function does not compile as one. Using the maker elsewhere is the
// mistake a reviewer looks for.
struct AgreedMaker {
  template <class T>
  static Agreed<T> make(T value) {
    return Agreed<T>(std::move(value));
  }
};

namespace agree_detail {

// Collective. `op` over what the ranks hold.
std::int64_t reduce(World& world, std::int64_t mine, ReduceOp op);

// Integers, enums and Strong numbers as int64, in the same order.
template <class T>
std::int64_t to_order(T value) {
  if constexpr (std::is_enum_v<T>) {
    return to_order(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_integral_v<T>) {
    // Moved down by 2^63, the upper half of uint64 keeps its place.
    if constexpr (std::is_same_v<T, std::uint64_t>)
      return static_cast<std::int64_t>(value ^ (std::uint64_t{1} << 63));
    return static_cast<std::int64_t>(value);
  } else {
    return to_order(value.value);
  }
}

template <class T>
T from_order(std::int64_t order) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(from_order<std::underlying_type_t<T>>(order));
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return static_cast<std::uint64_t>(order) ^ (std::uint64_t{1} << 63);
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(order);
  } else {
    return T(from_order<decltype(T::value)>(order));
  }
}

// What `work` threw, if it was a Fault. A Bug, or anything else, passes through: it is no rank's to agree on.
template <class Work>
std::optional<Fault> fault_of(Work&& work) {
  try {
    std::forward<Work>(work)();
  } catch (const Fault& fault) {
    return fault;
  }
  return std::nullopt;
}

}  // namespace agree_detail

template <class T>
Agreed<T> agree_max(World& world, T mine) {
  const std::int64_t order = agree_detail::reduce(world, agree_detail::to_order(mine), ReduceOp::kMax);
  return AgreedMaker::make(agree_detail::from_order<T>(order));
}

template <class T>
Agreed<T> agree_min(World& world, T mine) {
  const std::int64_t order = agree_detail::reduce(world, agree_detail::to_order(mine), ReduceOp::kMin);
  return AgreedMaker::make(agree_detail::from_order<T>(order));
}

template <class Work>
void together(World& world, Work&& work) {
  together(world.host(), std::forward<Work>(work));
}

template <class Work>
void together(Communicator& group, Work&& work) {
  agree_no_fault(group, agree_detail::fault_of(std::forward<Work>(work)));
}

template <class Work>
void on_root(World& world, Work&& work) {
  agree_no_fault(world, world.is_root() ? agree_detail::fault_of(std::forward<Work>(work)) : std::nullopt);
}

}  // namespace lockstep
