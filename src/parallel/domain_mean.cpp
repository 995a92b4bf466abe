// SPDX-License-Identifier: Apache-2.0
#include "parallel/domain_mean.h"

#include <ATen/Dispatch.h>

#include "optim/clip.h"
#include "parallel/common_sums.h"
#include "parallel/common_tensors.h"
#include "parallel/ownership.h"
#include "tensors/tensor_span.h"

namespace lockstep {
DomainMean::DomainMean(HostDomain& domain, const ModelArena& arena, int micro_batches)
    : domain_(domain),
      arena_(arena),
      slices_(arena.trainable_count(), kNormBlock, domain.domains(), domain.world().rank().value),
      mean_(empty(slices_.local.count())) {
  const auto nodes = [&](std::size_t of) {
    return nodes_of(domain.world(), domain.domains()[of], micro_batches).size();
  };
  // Of each domain, among the nodes of all others; behind the last, how many those are.
  std::vector<std::size_t> first_node = {0};
  for (std::size_t other = 0; other < domain.domains().size(); ++other)
    first_node.push_back(first_node.back() + (other == domain.index() ? 0 : nodes(other)));
  plan_messages(nodes(domain.index()), first_node);
  plan_rests(nodes(domain.index()), first_node);
}

void DomainMean::leave(std::size_t node, Slice slice, Rank to) {
  leaving_.push_back({node, slice, empty(slice.count())});
  sends_.push_back({span_of(leaving_.back().values), to});
}

void DomainMean::receive(const torch::Tensor& values, Rank from) {
  receives_.push_back({span_of(values), from});
}

void DomainMean::plan_messages(std::size_t own_nodes, const std::vector<std::size_t>& first_node) {
  others_.assign(slices_.own.size(), std::vector<torch::Tensor>(first_node.back()));
  for (const DomainSlices::Peer& peer : slices_.peers) {
    for (const Slice& slice : peer.theirs)
      for (std::size_t node = 0; node < own_nodes; ++node) leave(node, slice, Rank(peer.rank));
    for (const std::size_t own : peer.own)
      for (std::size_t node = first_node[peer.domain]; node < first_node[peer.domain + 1]; ++node) {
        others_[own][node] = empty(slices_.own[own].count());
        receive(others_[own][node], Rank(peer.rank));
      }
  }
}

// Every rank needs all of it, and it is short: the first ranks of the domains tell each other.
void DomainMean::plan_rests(std::size_t own_nodes, const std::vector<std::size_t>& first_node) {
  const Slice rest{arena_.trainable_count(), arena_.contribution_count()};
  const auto rows = static_cast<std::int64_t>(first_node.back());
  const torch::Tensor all = required_in_common(domain_, rows * rest.count(), arena_.values().options());
  for (std::int64_t row = 0; row < rows; ++row)
    other_rests_.push_back(all.narrow(0, row * rest.count(), rest.count()));
  if (domain_.rank() != 0) return;
  for (std::size_t other = 0; other < domain_.domains().size(); ++other) {
    if (other == domain_.index()) continue;
    const Rank first(domain_.domains()[other].front());
    for (std::size_t node = 0; node < own_nodes; ++node) leave(node, rest, first);
    for (std::size_t node = first_node[other]; node < first_node[other + 1]; ++node)
      receive(other_rests_[node], first);
  }
}

void DomainMean::exchange(const CommonSums& sums) {
  AT_DISPATCH_FLOATING_TYPES(mean_.scalar_type(), "exchange", [&] {
    const auto to = [](const torch::Tensor& values, std::int64_t begin) {
      return CommonSums::copying_to(values.mutable_data_ptr<scalar_t>(), begin);
    };
    for (const Leaving& one : leaving_)
      sums.each_sum<scalar_t>(one.node, one.slice, to(one.values, one.slice.begin));
    domain_.world().device().exchange(sends_, receives_);
    for (std::size_t i = 0; i < slices_.own.size(); ++i)
      sums.each_mean<scalar_t>(slices_.own[i], others_[i], to(mean_, slices_.local.begin));
  });
  there_ = slices_.own;
  is_complete_ = false;
  domain_.barrier("sums of other domains are there");
}

void DomainMean::complete() {
  if (is_complete_) return;
  share(mean_, slices_.local.begin, 1);
  is_complete_ = true;
  there_ = {slices_.local};
}

void DomainMean::share(const torch::Tensor& flat, std::int64_t begin, std::int64_t unit) {
  const auto values = [&](Slice of) {
    const std::int64_t first = (of.begin - begin) / unit;
    return span_of(flat.narrow(0, first, (of.end - begin + unit - 1) / unit - first));
  };
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (const DomainSlices::Peer& peer : slices_.peers) {
    for (const std::size_t own : peer.own) sends.push_back({values(slices_.own[own]), Rank(peer.rank)});
    for (const Slice& theirs : peer.theirs) receives.push_back({values(theirs), Rank(peer.rank)});
  }
  domain_.world().device().exchange(sends, receives);
}

}  // namespace lockstep
