// Random values of SSZ types; the same seed gives the same values.
import {
  BitArray,
  BitListType,
  BitVectorType,
  BooleanType,
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
  VectorBasicType,
  VectorCompositeType,
} from "@chainsafe/ssz";
import {createHash} from "node:crypto";

const LIST_MAX = 2; // items; enough to see that there is more than one

export class Chance {
  constructor(seed) {
    this.seed = seed;
    this.count = 0;
    this.rules = [
      [ContainerType, (type) => this.fields(type)],
      [UintNumberType, ({byteLength}) => this.below(Math.min(2 ** (8 * byteLength), Number.MAX_SAFE_INTEGER))],
      [UintBigintType, ({byteLength}) => BigInt("0x" + this.bytes(byteLength).toString("hex"))],
      [BooleanType, () => this.below(2) === 1],
      [ByteVectorType, ({lengthBytes}) => this.bytes(lengthBytes)],
      [ByteListType, ({limitBytes}) => this.bytes(this.below(Math.min(limitBytes, 80) + 1))],
      [BitVectorType, ({lengthBits}) => this.bits(lengthBits)],
      [BitListType, ({limitBits}) => this.bits(this.below(Math.min(limitBits, 300) + 1))],
      [VectorBasicType, (type) => this.items(type.elementType, type.length)],
      [VectorCompositeType, (type) => this.items(type.elementType, type.length)],
      [ListBasicType, (type) => this.items(type.elementType, this.below(Math.min(type.limit, LIST_MAX) + 1))],
      [ListCompositeType, (type) => this.items(type.elementType, this.below(Math.min(type.limit, LIST_MAX) + 1))],
    ];
  }

  bytes(size) {
    const name = `${this.seed}/${this.count++}`;
    return createHash("shake256", {outputLength: size}).update(name).digest();
  }

  below(limit) {
    return Number(this.bytes(8).readBigUInt64BE() % BigInt(limit));
  }

  bits(size) {
    return BitArray.fromBoolArray(Array.from({length: size}, () => this.below(2) === 1));
  }

  items(type, count) {
    return Array.from({length: count}, () => this.value(type));
  }

  fields(type) {
    return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, this.value(field)]));
  }

  value(type) {
    const rule = this.rules.find(([kind]) => type instanceof kind);
    if (rule === undefined) {
      throw Error(`no random values of ${type.typeName}`);
    }
    return rule[1](type);
  }
}
