/* bodies.h: one request of each kind, with ' in place of ", and the root that it must give on
 * mainnet (computed with @lodestar/types 1.50.0). */
#ifndef TESTS_UNIT_ETH_BODIES_H
#define TESTS_UNIT_ETH_BODIES_H

#define TWICE(text)   text text
#define FOUR(text)    TWICE(TWICE(text))
#define SIXTEEN(text) FOUR(FOUR(text))

/* 32 bytes of one value, and so on. */
#define R(byte)      "'0x" TWICE(SIXTEEN(byte)) "'"
#define SIGNATURE    "'0x" TWICE(SIXTEEN("a1")) FOUR(SIXTEEN("a1")) "'"
#define PUBKEY       "'0x" TWICE(SIXTEEN("b2")) SIXTEEN("b2") "'"
#define PUBKEY_2     "'0x" TWICE(SIXTEEN("e5")) SIXTEEN("e5") "'"
#define ADDRESS      "'0x" SIXTEEN("cc") FOUR("cc") "'"
#define ADDRESS_2    "'0x" SIXTEEN("dd") FOUR("dd") "'"
#define LOGS_BLOOM   "'0x" SIXTEEN(SIXTEEN("00")) "'"
#define SYNC_BITS    "'0x" SIXTEEN("24") "'"
#define MAINNET_ROOT "'0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95'"
#define FORK_INFO                                                                          \
    "'fork_info':{'fork':{'previous_version':'0x04000000','current_version':'0x05000000'," \
    "'epoch':'364032'},'genesis_validators_root':" MAINNET_ROOT "}"

enum body {
    BODY_BLOCK,
    BODY_HEADER,
    BODY_ATTESTATION,
    BODY_AGGREGATION_SLOT,
    BODY_AGGREGATE,
    BODY_AGGREGATE_ELECTRA,
    BODY_AGGREGATE_GLOAS,
    BODY_RANDAO,
    BODY_EXIT,
    BODY_DEPOSIT,
    BODY_SYNC_MESSAGE,
    BODY_SYNC_SELECTION,
    BODY_CONTRIBUTION,
    BODY_REGISTRATION,
    BODY_BLS_CHANGE,
    BODY_BID,
    BODY_ENVELOPE,
    BODY_PAYLOAD_ATTESTATION,
    BODY_PREFERENCES,
    BODY_AUTH,
    BODY_COUNT,
};

static const struct {
    const char *text;
    const char *root;
} bodies[BODY_COUNT] = {
    [BODY_BLOCK] = {
      "{'type':'BLOCK'," FORK_INFO
      ",'block':{'slot':'11649024','proposer_index':'5','parent_root':" R("44")
      ",'state_root':" R("55") ",'body':{'randao_reveal':" SIGNATURE
      ",'eth1_data':{'deposit_root':" R("77") ",'deposit_count':'8','block_hash':" R("88")
      "},'graffiti':" R("00")
      ",'proposer_slashings':[{'signed_header_1':{'message':{'slot':'11649024',"
      "'proposer_index':'5','parent_root':" R("44") ",'state_root':" R("55") ",'body_root':"
      R("66") "},'signature':" SIGNATURE
      "},'signed_header_2':{'message':{'slot':'1','proposer_index':'5','parent_root':" R("44")
      ",'state_root':" R("55") ",'body_root':" R("66") "},'signature':" SIGNATURE
      "}}],'attester_slashings':[{'attestation_1':{'attesting_indices':['1','2','3','4',"
      "'5'],'data':{'slot':'11649056','index':'7','beacon_block_root':" R("11")
      ",'source':{'epoch':'364031','root':" R("22") "},'target':{'epoch':'364033','root':"
      R("33") "}},'signature':" SIGNATURE
      "},'attestation_2':{'attesting_indices':[],'data':{'slot':'2','index':'7',"
      "'beacon_block_root':" R("11") ",'source':{'epoch':'364031','root':" R("22")
      "},'target':{'epoch':'364033','root':" R("33") "}},'signature':" SIGNATURE
      "}}],'attestations':[{'aggregation_bits':'0x0103','data':{'slot':'11649056',"
      "'index':'7','beacon_block_root':" R("11") ",'source':{'epoch':'364031','root':" R("22")
      "},'target':{'epoch':'364033','root':" R("33") "}},'signature':" SIGNATURE
      "}],'deposits':[{'proof':[" R("00") "," R("01") "," R("02") "," R("03") "," R("04") ","
      R("05") "," R("06") "," R("07") "," R("08") "," R("09") "," R("10") "," R("11") ","
      R("12") "," R("13") "," R("14") "," R("15") "," R("16") "," R("17") "," R("18") ","
      R("19") "," R("20") "," R("21") "," R("22") "," R("23") "," R("24") "," R("25") ","
      R("26") "," R("27") "," R("28") "," R("29") "," R("30") "," R("31") "," R("32")
      "],'data':{'pubkey':" PUBKEY ",'withdrawal_credentials':" R("99")
      ",'amount':'32000000000','signature':" SIGNATURE
      "}}],'voluntary_exits':[{'message':{'epoch':'1','validator_index':'2'},'signature':"
      SIGNATURE "}]}}}",
      "0xfb859d390d4d8402ffcae28af932b7dd07e4d72941fe0db3b98940d77f887e93",
    },
    [BODY_HEADER] = {
      "{'type':'BLOCK_V2'," FORK_INFO
      ",'beacon_block':{'version':'ELECTRA','block_header':{'slot':'11649024',"
      "'proposer_index':'5','parent_root':" R("44") ",'state_root':" R("55") ",'body_root':"
      R("66") "}}}",
      "0x36ed779ae65e6496d87651d1b2037b907bbc668ffed96ea3be67cb40f9b0767f",
    },
    [BODY_ATTESTATION] = {
      "{'type':'ATTESTATION'," FORK_INFO
      ",'attestation':{'slot':'11649056','index':'7','beacon_block_root':" R("11")
      ",'source':{'epoch':'364031','root':" R("22") "},'target':{'epoch':'364033','root':"
      R("33") "}}}",
      "0xed4461ffbeae1eb7fa7de9d2f99748c6f2dc4c538c71a565495242b430524217",
    },
    [BODY_AGGREGATION_SLOT] = {
      "{'type':'AGGREGATION_SLOT'," FORK_INFO ",'aggregation_slot':{'slot':'11649023'}}",
      "0xaef579d5bc77fbe6dc5a0c00f52a911d161835df61f9896b539888ee68e83ad2",
    },
    [BODY_AGGREGATE] = {
      "{'type':'AGGREGATE_AND_PROOF'," FORK_INFO
      ",'aggregate_and_proof':{'aggregator_index':'9',"
      "'aggregate':{'aggregation_bits':'0x0103','data':{'slot':'11649056','index':'7',"
      "'beacon_block_root':" R("11") ",'source':{'epoch':'364031','root':" R("22")
      "},'target':{'epoch':'364033','root':" R("33") "}},'signature':" SIGNATURE
      "},'selection_proof':" SIGNATURE "}}",
      "0xc45f280cfdf3fd11853d2bb77725412bc0e0eb32234291158480eb8476fc3b6f",
    },
    [BODY_AGGREGATE_ELECTRA] = {
      "{'type':'AGGREGATE_AND_PROOF_V2'," FORK_INFO
      ",'aggregate_and_proof':{'version':'ELECTRA','data':{'aggregator_index':'9',"
      "'aggregate':{'aggregation_bits':'0x0103','data':{'slot':'11649056','index':'7',"
      "'beacon_block_root':" R("11") ",'source':{'epoch':'364031','root':" R("22")
      "},'target':{'epoch':'364033','root':" R("33") "}},'signature':" SIGNATURE
      ",'committee_bits':'0x8000000000000001'},'selection_proof':" SIGNATURE "}}}",
      "0x9a2c40367e3994ad0af8462845a674c10362980e0c4dcc45530b7cc4f7509e7a",
    },
    [BODY_AGGREGATE_GLOAS] = {
      "{'type':'AGGREGATE_AND_PROOF_V2'," FORK_INFO
      ",'aggregate_and_proof':{'version':'GLOAS','data':{'aggregator_index':'9',"
      "'aggregate':{'aggregation_bits':'0x0103','data':{'slot':'11649056','index':'7',"
      "'beacon_block_root':" R("11") ",'source':{'epoch':'364031','root':" R("22")
      "},'target':{'epoch':'364033','root':" R("33") "}},'signature':" SIGNATURE
      ",'committee_bits':'0x8000000000000001'},'selection_proof':" SIGNATURE "}}}",
      "0x5ba95db200a557f01c7b0fbbeae543a4e279d34ac74cd74353cf72e6222a535d",
    },
    [BODY_RANDAO] = {
      "{'type':'RANDAO_REVEAL'," FORK_INFO ",'randao_reveal':{'epoch':'364032'}}",
      "0x9ab52f75aa4dfd5236a6c11f01aeb9c9e5ee31985f21f0917117f6baa69c867f",
    },
    [BODY_EXIT] = {
      "{'type':'VOLUNTARY_EXIT'," FORK_INFO
      ",'voluntary_exit':{'epoch':'364040','validator_index':'3'}}",
      "0xf87d9ae13c9817edc1328c1c9a0ec4a23e3675257ad4eaf50d0a1b61c72185e3",
    },
    [BODY_DEPOSIT] = {
      "{'type':'DEPOSIT','deposit':{'pubkey':" PUBKEY ",'withdrawal_credentials':" R("99")
      ",'amount':'32000000000','genesis_fork_version':'0x00000000'}}",
      "0xc73a29f102a998797081a010d411a3868b4605367684c643e7ca8b1e0540d884",
    },
    [BODY_SYNC_MESSAGE] = {
      "{'type':'SYNC_COMMITTEE_MESSAGE'," FORK_INFO
      ",'sync_committee_message':{'beacon_block_root':" R("11") ",'slot':'11649024'}}",
      "0x1f2a2765ef6c2062a42c56eddf1ca5b7d46acd935df357548931636f405847dc",
    },
    [BODY_SYNC_SELECTION] = {
      "{'type':'SYNC_COMMITTEE_SELECTION_PROOF'," FORK_INFO
      ",'sync_aggregator_selection_data':{'slot':'11649024','subcommittee_index':'2'}}",
      "0x6bd85d8019cf1c8767c1cd36f80fd96ea562132c18af75c114b75d131ef01d1f",
    },
    [BODY_CONTRIBUTION] = {
      "{'type':'SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF'," FORK_INFO
      ",'contribution_and_proof':{'aggregator_index':'4','selection_proof':" SIGNATURE
      ",'contribution':{'slot':'11649024','beacon_block_root':" R("11")
      ",'subcommittee_index':'1','aggregation_bits':" SYNC_BITS ",'signature':" SIGNATURE
      "}}}",
      "0xdbf1b603598890a2151e7bc02cf5b6bc67519b372e15d215d800dd4d55d11c29",
    },
    [BODY_REGISTRATION] = {
      "{'type':'VALIDATOR_REGISTRATION','validator_registration':{'fee_recipient':" ADDRESS
      ",'gas_limit':'60000000','timestamp':'1700000000','pubkey':" PUBKEY "}}",
      "0x5f654d59150b50b3bc1fd11cd16221cf585675d41457b8f7dc59def9577bf097",
    },
    [BODY_BLS_CHANGE] = {
      "{'type':'BLS_TO_EXECUTION_CHANGE'," FORK_INFO
      ",'bls_to_execution_change':{'validator_index':'6','from_bls_pubkey':" PUBKEY
      ",'to_execution_address':" ADDRESS_2 "}}",
      "0x8a0ef67262fcf4ac24d0cce24f4dc14d33f27b8b16b21f2588b505a7e9a55fec",
    },
    [BODY_BID] = {
      "{'type':'EXECUTION_PAYLOAD_BID'," FORK_INFO
      ",'execution_payload_bid':{'version':'GLOAS','data':{'parent_block_hash':" R("01")
      ",'parent_block_root':" R("02") ",'block_hash':" R("03") ",'prev_randao':" R("04")
      ",'fee_recipient':" ADDRESS
      ",'gas_limit':'60000000','builder_index':'18446744073709551615','slot':'11649024',"
      "'value':'1','execution_payment':'2','blob_kzg_commitments':[" PUBKEY
      "],'execution_requests_root':" R("05") "}}}",
      "0x6eac8dce3e5244b210586c6b1bcdcfee2bdcaffcd3ab3e8dce011d76d3d2310b",
    },
    [BODY_ENVELOPE] = {
      "{'type':'EXECUTION_PAYLOAD_ENVELOPE'," FORK_INFO
      ",'execution_payload_envelope':{'version':'GLOAS','data':{'payload':{'parent_hash':"
      R("01") ",'fee_recipient':" ADDRESS ",'state_root':" R("02") ",'receipts_root':" R("03")
      ",'logs_bloom':" LOGS_BLOOM ",'prev_randao':" R("04")
      ",'block_number':'1','gas_limit':'2','gas_used':'3','timestamp':'4',"
      "'extra_data':'0xaabb','base_fee_per_gas':'18446744073709551616','block_hash':" R("05")
      ",'transactions':['0x02','0x'],'withdrawals':[{'index':'1','validator_index':'2',"
      "'address':" ADDRESS
      ",'amount':'3'}],'blob_gas_used':'5','excess_blob_gas':'6',"
      "'block_access_list':'0xc0','slot_number':'11649024'},"
      "'execution_requests':{'deposits':[{'pubkey':" PUBKEY ",'withdrawal_credentials':"
      R("08") ",'amount':'1','signature':" SIGNATURE
      ",'index':'2'}],'withdrawals':[{'source_address':" ADDRESS ",'validator_pubkey':" PUBKEY
      ",'amount':'3'}],'consolidations':[{'source_address':" ADDRESS ",'source_pubkey':"
      PUBKEY ",'target_pubkey':" PUBKEY_2 "}],'builder_deposits':[{'pubkey':" PUBKEY
      ",'withdrawal_credentials':" R("09") ",'amount':'4','signature':" SIGNATURE
      "}],'builder_exits':[{'source_address':" ADDRESS_2 ",'pubkey':" PUBKEY
      "}]},'builder_index':'1','beacon_block_root':" R("06") ",'parent_beacon_block_root':"
      R("07") "}}}",
      "0xa0c9e757bafb71c09e28b9d035a3211776073ca943bbd39b4bbd845f151d4c7d",
    },
    [BODY_PAYLOAD_ATTESTATION] = {
      "{'type':'PAYLOAD_ATTESTATION_MESSAGE'," FORK_INFO
      ",'payload_attestation_message':{'version':'GLOAS','data':{'beacon_block_root':" R("11")
      ",'slot':'11649024','payload_present':true,'blob_data_available':false}}}",
      "0xbcd901528c0e6b77b4da150f6e49b66f23886f0c94f45c0d0cc1b96d3178908b",
    },
    [BODY_PREFERENCES] = {
      "{'type':'PROPOSER_PREFERENCES'," FORK_INFO
      ",'proposer_preferences':{'version':'GLOAS','data':{'dependent_root':" R("11")
      ",'proposal_slot':'11649024','validator_index':'5','fee_recipient':" ADDRESS
      ",'target_gas_limit':'60000000'}}}",
      "0xcdfafe7c64a6d283a08c9e7178a62d40166c8cc81343a3f9efec249d06469019",
    },
    [BODY_AUTH] = {
      "{'type':'BUILDER_REQUEST_AUTH','builder_request_auth':{'version':'GLOAS',"
      "'data':{'data':'0x68747470','slot':'11649024'}}}",
      "0x6f587694e818143647c2e8631ad8f655e3e1bf44ab024ab4db076d5c8f63525b",
    },
};

#endif
