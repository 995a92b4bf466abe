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

void DomainMean::leave(Slice slice, std::size_t own_nodes, Rank to) {
  for (std::size_t node = 0; node < own_nodes; ++node)
    leaving_.push_back({to, node, slice, empty(slice.count())});
}

void DomainMean::plan_messages(std::size_t own_nodes, const std::vector<std::size_t>& first_node) {
  others_.assign(slices_.own.size(), std::vector<torch::Tensor>(first_node.back()));
  for (const DomainSlices::Peer& peer : slices_.peers) {
    for (const Slice& slice : peer.theirs) leave(slice, own_nodes, Rank(peer.rank));
    for (const std::size_t own : peer.own)
      for (std::size_t node = first_node[peer.domain]; node < first_node[peer.domain + 1]; ++node) {
        others_[own][node] = empty(slices_.own[own].count());
        arriving_.push_back({Rank(peer.rank), node, slices_.own[own], others_[own][node]});
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
    leave(rest, own_nodes, first);
    for (std::size_t node = first_node[other]; node < first_node[other + 1]; ++node)
      arriving_.push_back({first, node, rest, other_rests_[node]});
  }
}

void DomainMean::exchange(const CommonSums& sums, std::span<const Slice> ranges, Part part) {
  send_sums(sums, ranges);
  find_means(sums, ranges);
  if (part == Part::kLocal) share(mean_, slices_.local.begin, 1, ranges);
  there_ = part == Part::kLocal ? std::vector<Slice>{slices_.local} : slices_.own;
}

void DomainMean::send_sums(const CommonSums& sums, std::span<const Slice> ranges) {
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (const Slice& range : ranges) {
    for (const Message& one : leaving_) {
      const Slice part = overlap_of(one.slice, range);
      if (part.count() == 0) continue;
      AT_DISPATCH_FLOATING_TYPES(mean_.scalar_type(), "send_sums", [&] {
        sums.each_sum<scalar_t>(
            one.node, part, CommonSums::copying_to(one.values.mutable_data_ptr<scalar_t>(), one.slice.begin));
      });
      sends.push_back({span_of(one.at(part)), one.peer});
    }
    for (const Message& one : arriving_)
      if (const Slice part = overlap_of(one.slice, range); part.count() > 0)
        receives.push_back({span_of(one.at(part)), one.peer});
  }
  domain_.world().device().exchange(sends, receives);
}

void DomainMean::find_means(const CommonSums& sums, std::span<const Slice> ranges) {
  for (const Slice& range : ranges) {
    for (std::size_t i = 0; i < slices_.own.size(); ++i) {
      const Slice part = overlap_of(slices_.own[i], range);
      if (part.count() == 0) continue;
      std::vector<torch::Tensor> others;
      for (const torch::Tensor& other : others_[i])
        others.push_back(other.narrow(0, part.begin - slices_.own[i].begin, part.count()));
      AT_DISPATCH_FLOATING_TYPES(mean_.scalar_type(), "find_means", [&] {
        sums.each_mean<scalar_t>(
            part, others, CommonSums::copying_to(mean_.mutable_data_ptr<scalar_t>(), slices_.local.begin));
      });
    }
  }
}

void DomainMean::share(const torch::Tensor& flat, std::int64_t begin, std::int64_t unit) {
  const Slice all{0, arena_.trainable_count()};
  share(flat, begin, unit, {&all, 1});
}

void DomainMean::share(const torch::Tensor& flat, std::int64_t begin, std::int64_t unit,
                       std::span<const Slice> ranges) {
  const auto values = [&](Slice of) {
    const std::int64_t first = (of.begin - begin) / unit;
    return span_of(flat.narrow(0, first, (of.end - begin + unit - 1) / unit - first));
  };
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (const Slice& range : ranges) {
    for (const DomainSlices::Peer& peer : slices_.peers) {
      for (const std::size_t own : peer.own)
        if (const Slice part = overlap_of(slices_.own[own], range); part.count() > 0)
          sends.push_back({values(part), Rank(peer.rank)});
      for (const Slice& theirs : peer.theirs)
        if (const Slice part = overlap_of(theirs, range); part.count() > 0)
          receives.push_back({values(part), Rank(peer.rank)});
    }
  }
  domain_.world().device().exchange(sends, receives);
}

}  // namespace lockstep
