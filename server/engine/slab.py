"""Keys and values of every slot, in one block of memory a layer, written in place.

Memory is asked for once and becomes resident only where it is written. Knows slots and
positions; who holds a slot, and what its tokens mean, is the scheduler's.
"""

import torch


class Slab:
    """`keys[layer]` and `values[layer]` have the shape [slots, kv_heads, length, head_dim]."""

    def __init__(
        self,
        layers: int,
        slots: int,
        kv_heads: int,
        length: int,
        head_dim: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        size = (slots, kv_heads, length, head_dim)
        self.keys = [torch.empty(size, dtype=dtype) for _ in range(layers)]
        self.values = [torch.empty(size, dtype=dtype) for _ in range(layers)]
        self._kept: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def keep(self, slot: int, length: int, prefix_id: int) -> None:
        """Copy the first `length` positions of a slot aside."""
        self._kept[prefix_id] = [
            (keys[slot, :, :length].clone(), values[slot, :, :length].clone())
            for keys, values in zip(self.keys, self.values, strict=True)
        ]

    def kept(self, prefix_id: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return what was laid aside: keys and values of each layer, [kv_heads, length, head_dim]."""
        return self._kept[prefix_id]

    def put(self, kept: list[tuple[torch.Tensor, torch.Tensor]], prefix_id: int) -> None:
        """Lay `kept` aside, as `keep` would."""
        self._kept[prefix_id] = kept

    def recall(self, prefix_id: int, slot: int) -> None:
        """Copy what `keep` laid aside to the beginning of a slot."""
        for layer, (keys, values) in enumerate(self._kept[prefix_id]):
            length = keys.shape[1]
            self.keys[layer][slot, :, :length] = keys
            self.values[layer][slot, :, :length] = values

    def forget(self, prefix_id: int) -> None:
        """Free what `keep` laid aside."""
        del self._kept[prefix_id]
